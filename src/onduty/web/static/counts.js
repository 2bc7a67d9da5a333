// What is counted: in the headline, the tally, the groups, the floor, and how many rows will move.
import { agents, askList, asks, bodyOf, groups, pending, root, sectionOf } from "./roster.js";

const CARDS = 4;
const GLYPH = 9;
const STATES = ["waiting", "working", "idle", "quiet", "lost"];
const SVG = "http://www.w3.org/2000/svg";
const held = document.getElementById("held");
const floor = root.querySelector(".floor");

function write(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

// Count anew, and say so.
export function count() {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
  const byKey = new Map();
  const byMachine = new Map();
  let mine = 0;
  for (const { id, state, key, machine, shown, next } of agents.values()) {
    if (state === "gone") continue;
    counts[state] += 1;
    if (state === "waiting" && (next ?? shown).dataset.mine !== undefined) mine += 1;
    if (state !== "lost") add(byKey, key, state);
    add(byMachine, machine, state);
  }
  const onDuty = counts.waiting + counts.working + counts.idle + counts.quiet;
  for (const section of [...groups.children]) {
    if (byKey.has(section.dataset.key) || bodyOf(section).children.length) showHead(section, byKey.get(section.dataset.key) ?? {});
    else section.remove();
  }
  if (floor) showFloor(byMachine);
  asks.hidden = !askList.children.length;
  askList.className = askList.children.length > CARDS ? "ask-rows" : "ask-list";
  showTally(counts, onDuty);
  showHeld();
  return { onDuty, waiting: counts.waiting, mine };
}

function add(counts, name, state) {
  if (!counts.has(name)) counts.set(name, {});
  const found = counts.get(name);
  found[state] = (found[state] ?? 0) + 1;
}

function showTally(counts, onDuty) {
  write(document.getElementById("count"), onDuty || "Nobody");
  for (const part of root.querySelectorAll(".tally [data-count]")) {
    const state = part.dataset.count;
    write(part.querySelector("b"), counts[state]);
    if (state === "waiting" && !counts.waiting) delete part.dataset.state;
    else part.dataset.state = state;
    if (state === "lost") part.hidden = !counts.lost;
  }
  const isEmpty = !onDuty && !counts.lost && !pending.size;
  root.querySelector(".tally").hidden = isEmpty;
  document.getElementById("roster").hidden = isEmpty;
  document.getElementById("nobody").hidden = Boolean(onDuty);
}

function showHead(section, counts) {
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
  const above = section.querySelector(".above");
  write(section.querySelector(".group-note > b"), total);
  write(section.querySelector(".agents"), total === 1 ? "agent" : "agents");
  write(above.querySelector("b"), counts.waiting ?? 0);
  above.hidden = !counts.waiting;
  for (const part of section.querySelectorAll("[data-count]")) {
    const number = counts[part.dataset.count] ?? 0;
    write(part.querySelector("b"), number);
    part.hidden = !number;
  }
}

function showFloor(byMachine) {
  for (const line of [...floor.children]) if (!byMachine.has(line.dataset.machine)) line.remove();
  const lines = new Map([...floor.children].map((line) => [line.dataset.machine, line]));
  for (const [machine, counts] of byMachine) {
    const line = lines.get(machine) ?? newLine(machine);
    const runs = STATES.filter((state) => counts[state]).map((state) => [state, counts[state]]);
    const words = runs.map(([state, number]) => `${number} ${state}`).join(", ");
    if (line.dataset.words === words) continue;
    line.dataset.words = words;
    const onDuty = runs.reduce((sum, [state, number]) => sum + (state === "lost" ? 0 : number), 0);
    const told = document.createElement("span");
    told.className = "sr-only";
    told.textContent = ` on duty: ${words}`;
    line.querySelector(".floor-note").replaceChildren(String(onDuty), told);
    line.querySelector(".strip").replaceChildren(...strip(runs));
  }
}

function strip(runs) {
  let before = 0;
  return runs.map(([state, number]) => {
    const rect = document.createElementNS(SVG, "rect");
    const told = { fill: `url(#run-${state})`, "data-run": state, x: GLYPH * before, width: GLYPH * number, height: GLYPH };
    for (const [name, value] of Object.entries(told)) rect.setAttribute(name, value);
    before += number;
    return rect;
  });
}

function newLine(machine) {
  const line = floor.firstElementChild.cloneNode(true);
  line.dataset.machine = machine;
  line.dataset.words = "";
  line.querySelector(".floor-name").textContent = machine;
  const section = root.dataset.group === "machine" && sectionOf(machine);
  if (section) line.href = `#${section.id}`;
  const name = machine.toLowerCase();
  floor.insertBefore(line, [...floor.children].find((each) => each.dataset.machine.toLowerCase() > name) ?? null);
  return line;
}

function showHeld() {
  const number = pending.size;
  held.hidden = !number;
  if (!number) return;
  const up = [...pending].every((id) => agents.get(id).state === "waiting");
  const words = `${number === 1 ? "One row" : `${number} rows`} will move${up ? " up" : ""}.`;
  write(held.firstElementChild, `Order held while you point here. ${words}`);
}
