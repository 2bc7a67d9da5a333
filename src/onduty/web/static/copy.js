"use strict";
// A button with `data-copy` copies what stands in the element that it names, and says so where it stood.
const SAID_MS = 2_000;

async function write(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    // Over plain http from another computer there is no clipboard to ask: what is selected is copied the old way.
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  let said;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await write(document.querySelector(button.dataset.copy));
    button.textContent = done ? "Copied" : "Selected";
    clearTimeout(said);
    said = setTimeout(() => (button.textContent = label), SAID_MS);
  });
}
