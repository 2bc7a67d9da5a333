"use strict";
// Fetches who is on duty every 5 s and changes what differs, in place. The viewer's clock is never asked.
const EVERY_MS = 5_000;
const LOST_AFTER_MS = 15_000;
const page = document.documentElement;
const shown = document.getElementById("on-duty");
const banner = document.getElementById("lost-connection");
const live = document.getElementById("live");
let heard = performance.now();
let next;

function merge(old, fresh) {
  const state = old.dataset?.state;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.matches(".row") && state !== old.dataset.state) old.classList.add("is-changed");
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const same = node.id ? named.get(node.id) : at && !at.id && at.nodeName === node.nodeName ? at : null;
    if (!same) {
      old.insertBefore(node, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    if (same.nodeType === Node.ELEMENT_NODE) merge(same, node);
    else if (same.data !== node.data) same.data = node.data;
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("on-duty");
  if (!fresh) throw new Error("no roster in the answer");
  const mine = shown.dataset.mine;
  merge(shown, fresh);
  document.title = `${shown.dataset.title} · Onduty`;
  const icon = `/static/${shown.dataset.waiting === "0" ? "mark" : "mark-waiting"}.svg`;
  const link = document.getElementById("icon");
  if (link.getAttribute("href") !== icon) link.setAttribute("href", icon);
  if (shown.dataset.mine !== mine) {
    document.getElementById("said").textContent = `${shown.dataset.mine} waiting for you.`;
  }
}

function tell() {
  const lost = performance.now() - heard > LOST_AFTER_MS;
  live.hidden = lost;
  if (lost === !banner.hidden) return;
  banner.hidden = !lost;
  if (lost) page.dataset.connection = "lost";
  else delete page.dataset.connection;
  banner.querySelector("p").textContent = lost
    ? `No connection to the server since ${shown.dataset.clock}. What you see was true then. It tries again every 5 s.`
    : "";
}

async function ask() {
  clearTimeout(next);
  // Set before the answer is there: one that never comes must not be the last question.
  next = setTimeout(ask, EVERY_MS);
  try {
    const answer = await fetch(`/on-duty/${shown.dataset.project}`, { signal: AbortSignal.timeout(EVERY_MS) });
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

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && zone !== shown.dataset.zone) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `onduty-zone=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;
  ask();
} else {
  next = setTimeout(ask, EVERY_MS);
}
live.hidden = false;
setInterval(tell, 1_000);
banner.querySelector("button").addEventListener("click", ask);
document.addEventListener("visibilitychange", () => document.hidden || ask());
