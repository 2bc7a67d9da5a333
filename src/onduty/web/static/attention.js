// Notifications of the browser for agents that wait for the person, where that person asked for them.
const KEY = "onduty-notify";
const shown = new Map();

export const isPossible = () => "Notification" in globalThis && Notification.permission !== "denied";

export const isOn = () => isPossible() && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";

// Ask the browser's leave. To be called when the person presses a button; whether notifications will come.
export async function turnOn() {
  if (!("Notification" in globalThis) || (await Notification.requestPermission()) !== "granted") return false;
  localStorage.setItem(KEY, "on");
  return true;
}

export function turnOff() {
  localStorage.removeItem(KEY);
}

// Show a wait.
export function show({ tag, title, body, project }) {
  if (!isOn()) return;
  const notification = new Notification(title, { body, tag, icon: "/static/mark-waiting.svg" });
  notification.onclick = () => {
    focus();
    notification.close();
    if (!document.querySelector(`[data-project="${CSS.escape(project)}"]`)) location.assign(`/projects/${project}`);
  };
  shown.set(tag, notification);
}

// The wait is over.
export function close(tag) {
  shown.get(tag)?.close();
  shown.delete(tag);
}
