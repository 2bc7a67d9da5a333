// The rows of the page: what each change does to them, and where each stands. The order is the server's
// (`ordering.in_order`): those that wait first, else by who came first, a child under its parent.
import { say } from "./ages.js";

export const root = document.getElementById("on-duty");
export const asks = root.querySelector(".asks");
export const askList = asks.querySelector("ol");
export const groups = document.getElementById("groups");
const lost = document.getElementById("lost");
const inView = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target);
    else inView.delete(target);
    if (isIntersecting) say(target, isLost());
  }
});

// By session id: its state, its group's key, its machine, the element that shows it, and what is to take its place.
export const agents = new Map();
export const pending = new Set();
export const places = [asks, groups, lost];

export function isLost() {
  return document.documentElement.dataset.connection === "lost";
}

export function sayAll() {
  for (const { shown } of agents.values()) if (shown) say(shown, isLost());
}

export function sayInView() {
  for (const shown of inView) say(shown, isLost());
}

const idOf = (element) => element.id.replace(/^(session|ask)-/, "");
const isAsk = (element) => element.classList.contains("ask");
export const bodyOf = (section) => section.querySelector("tbody");
export const sectionOf = (key) => [...groups.children].find((section) => section.dataset.key === key);
const homeOf = (agent) => (agent.state === "lost" ? lost : sectionOf(agent.key));

export function keyOf(session) {
  switch (root.dataset.group) {
    case "machine":
      return session.machine_id;
    case "person":
      return session.user_id;
    case "role":
      return session.caller_role ?? "";
    default:
      return "all";
  }
}

export function markup(text) {
  const template = document.createElement("template");
  template.innerHTML = text;
  return template.content.firstElementChild;
}

// What an element of a page that the server made says of its agent.
export function read(element) {
  const section = element.closest(".group");
  const machine = element.querySelector(".machine").textContent;
  const key = element.dataset.key ?? (section.id === "lost" ? null : section.dataset.key);
  return { id: idOf(element), state: element.dataset.state, key, machine };
}

export function adopt() {
  for (const element of root.querySelectorAll(".row, .ask")) {
    const agent = { ...read(element), shown: element };
    agents.set(agent.id, agent);
    watcher.observe(element);
  }
  for (const row of root.querySelectorAll(".row .child")) row.hidden = !row.closest(".row").dataset.depth;
}

// An agent reads otherwise now; whether any count may be another. While the order is held it changes where it stands.
export function change(told, fresh, isHeld) {
  const agent = agents.get(told.id) ?? {};
  const moved = !agent.shown || agent.isGone || isAsk(agent.shown) !== isAsk(fresh) || standsElsewhere(agent, told);
  const isOther = agent.state !== told.state;
  Object.assign(agent, told, { isGone: false });
  agents.set(told.id, agent);
  if (!moved) {
    pending.delete(told.id);
    keepPlace(agent.shown, fresh);
    merge(agent.shown, fresh);
    say(agent.shown, isLost());
    if (isOther) flash(agent.shown);
  } else if (isHeld) {
    agent.next = fresh;
    pending.add(told.id);
    if (agent.shown) turn(agent.shown, fresh);
  } else {
    put(agent, fresh);
  }
  return moved || isOther;
}

function standsElsewhere(agent, told) {
  if (isAsk(agent.shown)) return false;
  const section = agent.shown.closest(".group");
  return told.state === "lost" ? section !== lost : section.dataset.key !== told.key;
}

export function remove(id, isHeld) {
  const agent = agents.get(id);
  if (!agent) return;
  agent.isGone = true;
  agent.state = "gone";
  if (isHeld && agent.shown) {
    pending.add(id);
    turn(agent.shown, null);
  } else {
    take(agent);
  }
}

// What was held moves now.
export function release() {
  const due = [...pending].map((id) => agents.get(id));
  pending.clear();
  for (const agent of due) {
    if (agent.isGone) take(agent);
    else put(agent, agent.next);
  }
}

function put(agent, fresh) {
  const old = agent.shown;
  const focused = old?.contains(document.activeElement);
  agent.shown = fresh;
  agent.next = null;
  if (isAsk(fresh)) fresh.dataset.key = agent.key;
  if (old) leave(old);
  watcher.observe(fresh);
  say(fresh, isLost());
  (isAsk(fresh) ? askList : bodyOf(homeOf(agent) ?? newGroup(agent, fresh))).append(fresh);
  if (isAsk(fresh)) sort(askList, byWait);
  else sortRows(fresh.parentElement);
  if (old) flash(fresh);
  if (focused) fresh.querySelector("a").focus({ preventScroll: true });
}

function take(agent) {
  agents.delete(agent.id);
  if (agent.shown) leave(agent.shown);
}

function leave(element) {
  watcher.unobserve(element);
  inView.delete(element);
  const body = element.parentElement;
  element.remove();
  if (body?.localName === "tbody") sortRows(body);
}

function byWait(one, other) {
  const key = (ask) => [ask.dataset.mine === undefined ? 1 : 0, ask.querySelector(".ask-clock").dateTime, ask.id];
  return compare(key(one), key(other));
}

function compare(one, other) {
  for (const [index, value] of one.entries()) {
    if (value < other[index]) return -1;
    if (value > other[index]) return 1;
  }
  return 0;
}

function sort(list, order) {
  place(list, [...list.children].sort(order));
}

function sortRows(body) {
  const rows = [...body.children];
  const key = new Map(rows.map((row) => [row, [row.querySelector(".row-since time").dateTime, row.id]]));
  rows.sort((one, other) => compare(key.get(one), key.get(other)));
  const isParent = new Set(rows.map(idOf));
  const children = new Map();
  for (const row of rows) children.set(row.dataset.parent, [...(children.get(row.dataset.parent) ?? []), row]);
  const ordered = new Set();
  const visit = (row, depth) => {
    if (ordered.has(row)) return;
    ordered.add(row);
    setDepth(row, Math.min(depth, 3));
    for (const child of children.get(idOf(row)) ?? []) visit(child, depth + 1);
  };
  for (const row of rows) if (!isParent.has(row.dataset.parent)) visit(row, 0);
  for (const row of rows) visit(row, 0);
  place(body, [...ordered]);
}

function setDepth(row, depth) {
  if (Number(row.dataset.depth ?? 0) === depth) return;
  if (depth) row.dataset.depth = depth;
  else delete row.dataset.depth;
  row.querySelector(".child").hidden = !depth;
}

// Put the elements in this order; those that stand right are not touched.
function place(list, ordered) {
  let at = list.firstElementChild;
  for (const element of ordered) {
    if (element === at) at = at.nextElementSibling;
    else list.insertBefore(element, at);
  }
}

function newGroup(agent, row) {
  const section = document.getElementById("group-template").content.firstElementChild.cloneNode(true);
  section.id = `group-${groups.children.length + 1}-${agents.size}`;
  section.dataset.key = agent.key;
  const name = nameOf(agent, row);
  const head = section.querySelector("h2");
  head.textContent = name;
  head.id = `${section.id}-name`;
  section.setAttribute("aria-labelledby", head.id);
  section.querySelector("table").setAttribute("aria-label", `Agents: ${name}`);
  const order = (each) => [each.dataset.key === "" ? 1 : 0, each.querySelector("h2").textContent.toLowerCase(), each.dataset.key];
  groups.insertBefore(section, [...groups.children].find((each) => compare(order(section), order(each)) < 0) ?? null);
  return section;
}

function nameOf(agent, row) {
  switch (root.dataset.group) {
    case "person":
      return row.querySelector(".row-agent b").textContent;
    case "none":
      return "All agents";
    default:
      return agent.key || "No role";
  }
}

// An element shows what is so now where it stands, until it may move; `fresh` is null for an agent that is gone.
function turn(element, fresh) {
  const state = fresh ? fresh.dataset.state : "ended";
  element.dataset.state = state;
  if (fresh && isAsk(fresh) === isAsk(element)) {
    keepPlace(element, fresh);
    merge(element, fresh);
  } else if (isAsk(element)) {
    const word = fresh ? fresh.querySelector(".state-word").textContent : "Gone";
    element.querySelector(".ask-who").replaceChildren(glyph(state), `${word}, no longer waiting`);
  } else {
    const why = element.querySelector(".why");
    element.querySelector(".row-state .glyph").replaceWith(glyph(state));
    element.querySelector(".state-word").textContent = fresh ? "Waiting" : "Gone";
    why.textContent = "No longer on duty";
    if (fresh) why.replaceChildren(fresh.querySelector(".ask-words").textContent, " (", waited(fresh), ")");
  }
  say(element, isLost());
}

function waited(ask) {
  const time = ask.querySelector(".ask-clock").cloneNode();
  time.className = "";
  time.dataset.as = "age";
  return time;
}

function glyph(state) {
  return markup(`<svg class="glyph" data-state="${state}" aria-hidden="true"><use href="#s-${state}"/></svg>`);
}

function flash(element) {
  element.classList.add("is-changed");
  element.addEventListener("animationend", () => element.classList.remove("is-changed"), { once: true });
}

// What says where a row stands and whether it is seen is the page's own.
function keepPlace(old, fresh) {
  for (const name of ["data-depth", "data-key", "hidden"]) {
    if (old.hasAttribute(name)) fresh.setAttribute(name, old.getAttribute(name));
    else fresh.removeAttribute(name);
  }
  const child = fresh.querySelector(".child");
  if (child) child.hidden = !old.dataset.depth;
}

// Change what differs, so that focus, selection and scroll are kept.
function merge(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const [olds, news] = [[...old.childNodes], [...fresh.childNodes]];
  for (const [index, node] of news.entries()) {
    const same = olds[index];
    if (same && same.nodeName === node.nodeName) {
      if (same.nodeType === Node.ELEMENT_NODE) {
        // A time is said by `say`; its text in the answer is empty or older.
        if (same.localName === "time") node.textContent = same.textContent;
        merge(same, node);
      } else if (same.data !== node.data) same.data = node.data;
    } else if (same) same.replaceWith(node);
    else old.append(node);
  }
  for (const rest of olds.slice(news.length)) rest.remove();
}
