// Keeps the part of a page that is marked `data-part` as the server has it: asked again every `data-every` ms, changed
// in place. Its value is where it is asked for, empty for the page's own address. With `data-live`, a project, it is
// asked as soon as the stream says that something changed there, of the session `data-session` alone where one is
// named; `data-is` is that one's state.
import { merge } from "./merge.js";

const LOST_AFTER_MS = 15_000;
// At most so often, where the state is another one and where it is the same.
const CHANGED_MS = 500;
const SAME_MS = 3_000;
const part = document.querySelector("[data-part]");
const banner = document.getElementById("lost-connection");
const live = document.getElementById("live");
let heard = performance.now();
let asked = heard;
let next;

function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.querySelector("[data-part]");
  if (!fresh) throw new Error("no such part in the answer");
  merge(part, fresh);
  document.title = page.title || document.title;
  const icon = page.getElementById("icon")?.getAttribute("href");
  const shown = document.getElementById("icon");
  if (icon && shown.getAttribute("href") !== icon) shown.setAttribute("href", icon);
}

function tell() {
  const lost = performance.now() - heard > LOST_AFTER_MS;
  live.hidden = lost;
  if (lost === !banner.hidden) return;
  banner.hidden = !lost;
  document.documentElement.toggleAttribute("data-connection", lost);
  if (lost) document.documentElement.dataset.connection = "lost";
  banner.querySelector("p").textContent = lost
    ? `No connection to the server since ${part.dataset.clock}. What you see was true then. It tries again by itself.`
    : "";
}

async function look() {
  clearTimeout(next);
  // Set before the answer is there: one that never comes must not be the last question.
  asked = performance.now();
  next = setTimeout(() => document.hidden || look(), Number(part.dataset.every));
  try {
    const answer = await fetch(part.dataset.part || location.href, { signal: AbortSignal.timeout(5_000) });
    if ([401, 403, 404].includes(answer.status)) {
      location.reload();
      return;
    }
    if (answer.ok) {
      show(await answer.text());
      heard = performance.now();
    }
  } catch {
    // `tell` says so once it has lasted.
  }
  tell();
}

next = setTimeout(look, Number(part.dataset.every));
live.hidden = false;
setInterval(() => document.hidden || tell(), 1_000);
banner.querySelector("button").addEventListener("click", look);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  // Nobody looked, so nobody asked: what was not heard meanwhile is not lost.
  heard = performance.now();
  look();
});
document.addEventListener("input", (event) => {
  if (!event.target.matches("[role=search] input")) return;
  // What is typed narrows what is shown at once; without script the form does it.
  const address = new URL(location.href);
  address.searchParams.set(event.target.name, event.target.value);
  if (!event.target.value) address.searchParams.delete(event.target.name);
  history.replaceState(null, "", address);
  look();
});
document.addEventListener("keydown", (event) => {
  const search = document.querySelector("[role=search] input");
  if (event.key !== "/" || !search || event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  search.focus();
});

if (part.dataset.live) {
  const { listen } = await import("./live.js");
  const changed = (data) => {
    const { session, is } = part.dataset;
    if (session && (data.session ?? data).session_id !== session) return;
    const apart = is && data.session?.state === is ? SAME_MS : CHANGED_MS;
    clearTimeout(next);
    next = setTimeout(look, Math.max(0, asked + apart - performance.now()));
  };
  // A snapshot comes first, and whenever what changed meanwhile is not known: since the page was made something may have.
  listen(part.dataset.live, "", { snapshot: look, session: changed, gone: changed });
}
