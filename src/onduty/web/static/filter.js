// The reader's filter: words, and a state. It hides rows, and never a wait (`roster.Look.matches` is the same rule).
import { groups, root } from "./roster.js";

const line = document.getElementById("filtered");
const input = document.getElementById("q");
const lost = document.getElementById("lost");
const look = { q: input?.value ?? "", state: root.dataset.stateShown };

function textOf(row) {
  const parts = [...row.querySelectorAll(".row-agent, .doing, .row-doing .row-more")];
  return parts.map((part) => part.textContent).join(" ").toLowerCase();
}

function matches(row, words) {
  // A row that waits stands here only as long as the order is held.
  if (row.dataset.state === "waiting") return true;
  if (look.state && row.dataset.state !== look.state) return false;
  if (!words.length) return true;
  const text = textOf(row);
  return words.every((word) => text.includes(word));
}

function told(hidden, all) {
  const are = `${hidden} ${hidden === 1 ? "is" : "are"} hidden.`;
  if (hidden < all) return `${all - hidden} shown. ${are}`;
  const what = [look.q && `matches '${look.q}'`, look.state && `is ${look.state}`].filter(Boolean).join(" and ");
  return `No agent ${what}. ${are}`;
}

export function isFiltering() {
  return Boolean(look.q || look.state);
}

// Hide what the reader wants not to see; while the order is held, nothing of what is in sight.
export function filter(isHeld = false) {
  const words = look.q.toLowerCase().split(/\s+/).filter(Boolean);
  let [hidden, all] = [0, 0];
  for (const section of [...groups.children, lost]) {
    const rows = [...section.querySelectorAll(".row")];
    for (const row of rows) {
      const isHidden = !matches(row, words) && !(isHeld && !row.hidden);
      if (row.hidden !== isHidden) row.hidden = isHidden;
      hidden += isHidden;
    }
    all += rows.length;
    section.hidden = rows.every((row) => row.hidden);
  }
  if (!line) return;
  line.hidden = !hidden;
  if (hidden) line.firstElementChild.textContent = told(hidden, all);
}

function choose(changes) {
  Object.assign(look, changes);
  const url = new URL(location.href);
  for (const name of ["q", "state"]) {
    if (look[name]) url.searchParams.set(name, look[name]);
    else url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
  for (const part of root.querySelectorAll("[data-filter]")) {
    if (part.dataset.filter === look.state) part.setAttribute("aria-current", "true");
    else part.removeAttribute("aria-current");
  }
  filter();
}

function isTyping(target) {
  return target.matches("input, textarea, select, [contenteditable]");
}

if (input) {
  input.addEventListener("input", () => choose({ q: input.value.trim() }));
  input.form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
      event.preventDefault();
      input.focus();
      input.select();
    } else if (event.key === "Escape" && event.target === input) {
      input.value = "";
      choose({ q: "" });
      input.blur();
    }
  });
  line.querySelector("a").addEventListener("click", (event) => {
    event.preventDefault();
    input.value = "";
    choose({ q: "", state: "" });
    input.focus();
  });
  root.querySelector(".tally").addEventListener("click", (event) => {
    const part = event.target.closest("[data-filter]");
    if (!part || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose({ state: look.state === part.dataset.filter ? "" : part.dataset.filter });
  });
}
