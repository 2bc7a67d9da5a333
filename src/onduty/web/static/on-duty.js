// Who is on duty, live: the stream's changes go into the rows, and the page says when it hears nothing.
import { serverNow, setClock, timeOfDay } from "./ages.js";
import { count } from "./counts.js";
import { filter, isFiltering } from "./filter.js";
import { Hold } from "./hold.js";
import { listen } from "./live.js";
import { Source } from "./live-source.js";
import { adopt, agents, change, isLost, keyOf, markup, places, read, release, remove, root, sayAll, sayInView } from "./roster.js";

const page = document.documentElement;
const banner = document.getElementById("lost-connection");
const live = document.getElementById("live");
const icon = document.getElementById("icon");
const said = document.getElementById("said");
const { project, name, position, now } = root.dataset;
const isWall = "wall" in root.dataset;
const part = isWall ? "/wall/part" : `/on-duty/${project}`;

// Changes come several at once, and are counted once.
const TOGETHER_MS = 30;

let heardAt = now;
let mine;
let onDuty;
// What of an agent was told when, on the server's clock: a part that was made before that is older.
const toldAt = new Map();
const hold = new Hold(places, () => {
  release();
  tally();
});

function tally() {
  const counts = count();
  filter(hold.isHeld);
  const waiting = counts.waiting ? `(${counts.waiting}) ` : "";
  const title = `${waiting}${name}: ${counts.onDuty || "nobody"} on duty · Onduty`;
  if (document.title !== title) document.title = title;
  const href = `/static/${counts.waiting ? "mark-waiting" : "mark"}.svg`;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
  if (mine !== undefined && mine !== counts.mine) said.textContent = `${counts.mine} waiting for you.`;
  if (onDuty && !counts.onDuty) fetchPart();
  ({ mine, onDuty } = counts);
}

let isDue = false;
function tallySoon() {
  if (isDue) return;
  isDue = true;
  // Not by animation frame, which a hidden tab has none of: its title counts too.
  setTimeout(() => {
    isDue = false;
    tally();
  }, TOGETHER_MS);
}

function hear(data) {
  heardAt = data.now;
  setClock(data.now);
}

const handlers = {
  session(data) {
    hear(data);
    const { session } = data;
    toldAt.set(session.session_id, data.now);
    const told = { id: session.session_id, state: session.state, key: keyOf(session), machine: session.machine_id };
    if (change(told, markup(data.shown), hold.isHeld) || isFiltering()) tallySoon();
  },
  gone(data) {
    hear(data);
    toldAt.set(data.session_id, data.now);
    remove(data.session_id, hold.isHeld);
    tallySoon();
  },
  snapshot(data) {
    hear(data);
    fetchPart();
  },
  beat: hear,
  withdrawn: () => location.reload(),
  refused: fetchPart,
  silent() {
    const since = timeOfDay(Date.parse(heardAt));
    page.dataset.connection = "lost";
    document.getElementById("true-at").textContent = since;
    live.hidden = true;
    banner.hidden = false;
    tellBanner();
    said.textContent = `No connection to the server since ${since}.`;
    sayAll();
  },
  back(data) {
    hear(data);
    delete page.dataset.connection;
    live.hidden = false;
    banner.hidden = true;
    said.textContent = "Connected again.";
    sayAll();
  },
};

function tellBanner() {
  const seconds = Math.ceil((connection.nextTry - performance.now()) / 1000);
  const next = seconds > 0 ? ` Next try in ${seconds} s.` : " Trying now.";
  const words = `No connection to the server since ${timeOfDay(Date.parse(heardAt))}. What you see was true then.${next}`;
  const line = banner.querySelector("p");
  if (line.textContent !== words) line.textContent = words;
}

// A wall has a stream of its own: nothing of what people's tabs share is for it.
function hang() {
  let nextTry = 0;
  const source = new Source("/wall/live", position, {
    event(kind, data) {
      nextTry = 0;
      handlers[kind]?.(data);
    },
    silent: handlers.silent,
    back: handlers.back,
    refused: handlers.refused,
    trying: (ms) => (nextTry = performance.now() + ms),
  });
  return {
    connect: () => source.connect(),
    get nextTry() {
      return nextTry;
    },
  };
}

let fetching;
// Take over the whole part as the server has it now.
async function fetchPart() {
  fetching?.abort();
  const ours = new AbortController();
  fetching = ours;
  try {
    const answer = await fetch(part + location.search, { signal: ours.signal });
    if ([401, 403, 404].includes(answer.status)) location.reload();
    if (answer.ok) takePart(markup(await answer.text()));
  } catch {
    // The connection's own silence says so once it has lasted.
  }
}

function takePart(fresh) {
  const isOlder = (id) => (toldAt.get(id) ?? "") > fresh.dataset.now;
  const found = new Set();
  for (const element of fresh.querySelectorAll(".row, .ask")) {
    const told = read(element);
    found.add(told.id);
    if (isOlder(told.id)) continue;
    told.key ??= agents.get(told.id)?.key ?? null;
    change(told, element, hold.isHeld);
  }
  for (const id of [...agents.keys()]) if (!found.has(id) && !isOlder(id)) remove(id, hold.isHeld);
  for (const id of [...toldAt.keys()]) if (!isOlder(id)) toldAt.delete(id);
  document.getElementById("nobody").replaceChildren(...fresh.querySelector("#nobody").childNodes);
  tally();
}

function tick() {
  if (isLost()) tellBanner();
  else if (!document.hidden) sayInView();
}

const [load] = performance.getEntriesByType("navigation");
setClock(now, load?.responseStart ?? performance.now());
adopt();
sayAll();
document.getElementById("utc")?.remove();
({ mine, onDuty } = count());
filter();
live.hidden = false;
const connection = isWall ? hang() : listen(project, position, handlers);
setInterval(tick, 1_000);
banner.querySelector("button").addEventListener("click", () => connection.connect());
document.addEventListener("visibilitychange", () => document.hidden || sayAll());
addEventListener("beforeprint", () => {
  sayAll();
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  document.getElementById("as-of").textContent = `${new Date(serverNow()).toLocaleDateString("en-GB", { dateStyle: "full" })}, ${timeOfDay(serverNow())} (${zone})`;
});
addEventListener("pageshow", (event) => event.persisted && location.reload());
for (const choice of root.querySelectorAll("[data-rows]")) {
  choice.addEventListener("click", (event) => {
    event.preventDefault();
    const { rows } = choice.dataset;
    document.getElementById("roster").dataset.density = rows;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `onduty-rows=${rows}; path=/; max-age=31536000; samesite=lax${secure}`;
    for (const each of root.querySelectorAll("[data-rows]")) {
      if (each === choice) each.setAttribute("aria-current", "true");
      else each.removeAttribute("aria-current");
    }
  });
}
