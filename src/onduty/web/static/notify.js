// The button by which a person asks for notifications of waits, and for none again.
import { isOn, isPossible, turnOff, turnOn } from "./attention.js";

const button = document.getElementById("notify");

function show() {
  button.setAttribute("aria-pressed", String(isOn()));
  button.querySelector("span").textContent = isOn() ? "on" : isPossible() ? "off" : "blocked in this browser";
  button.disabled = !isPossible();
}

if (button && "Notification" in globalThis) {
  button.hidden = false;
  show();
  button.addEventListener("click", async () => {
    if (isOn()) turnOff();
    else await turnOn();
    show();
  });
}
