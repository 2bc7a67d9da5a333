// The one stream of this browser, for all of its tabs: a shared worker, or, where there are none, within a tab.
// A tab says `listen` with a project and what it knows, and is told that project's events from there on.
import { Source } from "./live-source.js";
import { Waits } from "./live-waits.js";

const KEPT = 200;
const LEAVE_AFTER_MS = 3_000;
const PING_MS = 20_000;
const UNANSWERED = 3;
const READY_MS = 500;

const split = (id) => {
  const [process, number] = String(id).split(":");
  return [process, Number(number) || 0];
};

// A project that some tab shows. `events` are the latest, after the number `since`; `last` is the latest that was told.
class Project {
  events = [];
  constructor(id, number) {
    this.id = id;
    this.since = number;
    this.last = number;
  }

  keep(kind, data, number) {
    if (kind === "snapshot") {
      this.events = [];
      this.since = number;
    } else {
      this.events.push({ kind, data, number });
      if (this.events.length > KEPT) this.since = this.events.shift().number;
    }
    this.last = number;
  }
}

export class Hub {
  #tabs = new Set();
  #projects = new Map();
  #source;
  #process;
  #leaving;
  // The server's time as it was heard last, and when that was.
  #now;
  #heard;
  #waits = new Waits((notice) => this.#notify(notice), (tag) => this.#tell(this.#tabs, { kind: "calm", tag }));

  constructor() {
    setInterval(() => this.#ping(), PING_MS);
  }

  connect(port) {
    const tab = { port, projects: new Set(), isVisible: true, unanswered: 0, hasLock: false };
    port.onmessage = ({ data }) => this.#hear(tab, data);
  }

  #hear(tab, said) {
    tab.unanswered = 0;
    if (said.kind === "leave") return this.#forget(tab);
    this.#tabs.add(tab);
    if (said.kind === "listen") this.#listen(tab, said);
    else if (said.kind === "visible") tab.isVisible = said.isVisible;
    else if (said.kind === "connect") this.#source?.connect();
    else if (said.kind === "ready") tab.ready?.(said.tag);
    else if (said.kind === "lock") {
      // It is ours when the tab is gone, however it went.
      tab.hasLock = true;
      navigator.locks.request(said.name, () => this.#forget(tab));
    }
  }

  #listen(tab, { project: id, last }) {
    tab.projects.add(id);
    this.#waits.listen(id);
    const [process, number] = split(last);
    const known = this.#projects.get(id);
    if (!known) this.#add(tab, id, process, number);
    else if (process !== this.#process || number < known.since) this.#again(tab, known);
    else {
      const missed = known.events.filter((event) => event.number > number);
      for (const event of missed) this.#tell([tab], this.#message(event.kind, event.data, event.number));
    }
    if (this.#source?.isSilent) this.#tell([tab], { kind: "silent" });
  }

  #add(tab, id, process, number) {
    this.#process ??= process;
    const isOurs = process === this.#process;
    const latest = Math.max(0, ...[...this.#projects.values()].map((project) => project.last));
    const project = new Project(id, isOurs ? number : latest);
    this.#projects.set(id, project);
    if (!isOurs) this.#again(tab, project);
    this.#open();
  }

  // The tab may lack anything: it fetches what it shows again, at the time that it is for the server.
  #again(tab, project) {
    if (this.#now === undefined) {
      // Nothing is told yet, and so the server can say it: a number as low as that is unknown to it.
      project.last = project.since = 0;
      this.#open();
      return;
    }
    const now = new Date(Date.parse(this.#now) + performance.now() - this.#heard).toISOString();
    this.#tell([tab], this.#message("snapshot", { project_id: project.id, sessions: [], now }, project.last));
  }

  #message(event, data, number) {
    return { kind: "event", event, project: data.project_id, data, id: `${this.#process}:${number}` };
  }

  #open() {
    clearTimeout(this.#leaving);
    this.#leaving = undefined;
    this.#source?.close();
    this.#source = undefined;
    if (!this.#projects.size) return;
    // From where the one stands that was told least; what others know already is not told them again.
    const number = Math.min(...[...this.#projects.values()].map((project) => project.last));
    const query = [...this.#projects.keys()].map((id) => `project=${encodeURIComponent(id)}`).join("&");
    this.#source = new Source(`/live?${query}`, `${this.#process}:${number}`, {
      event: (kind, data, eventId) => this.#take(kind, data, eventId),
      silent: () => this.#tell(this.#tabs, { kind: "silent" }),
      back: (data) => this.#tell(this.#tabs, { kind: "back", data }),
      refused: () => this.#tell(this.#tabs, { kind: "refused" }),
      trying: (ms) => this.#tell(this.#tabs, { kind: "trying", ms }),
    });
  }

  #take(kind, data, eventId) {
    this.#now = data.now;
    this.#heard = performance.now();
    const [process, number] = split(eventId);
    if (process !== this.#process) {
      // Another process numbers anew, and tells each project from its beginning.
      this.#process = process;
      for (const project of this.#projects.values()) Object.assign(project, { last: -1, since: Infinity, events: [] });
    }
    if (kind === "beat") {
      for (const project of this.#projects.values()) if (project.last >= 0) project.last = Math.max(project.last, number);
      this.#tell(this.#tabs, this.#message(kind, data, number));
      return;
    }
    const project = this.#projects.get(data.project_id);
    if (!project || (kind !== "withdrawn" && number <= project.last && kind !== "snapshot")) return;
    project.keep(kind, data, number);
    this.#waits.hear(kind, data);
    this.#tell(this.#of(project.id), this.#message(kind, data, number));
  }

  #of(id) {
    return [...this.#tabs].filter((tab) => tab.projects.has(id));
  }

  #tell(tabs, message) {
    for (const tab of tabs) tab.port.postMessage(message);
  }

  // One tab after the other is asked whether it can show it; one that is frozen or busy answers too late to be told.
  async #notify(notice) {
    const tabs = [...this.#of(notice.project), ...this.#tabs].sort((a, b) => b.isVisible - a.isVisible);
    for (const tab of new Set(tabs)) {
      const answered = new Promise((resolve) => {
        tab.ready = (tag) => tag === notice.tag && resolve(true);
        setTimeout(resolve, READY_MS, false);
      });
      this.#tell([tab], { kind: "ready", tag: notice.tag });
      if (await answered) {
        this.#tell([tab], { kind: "notify", notice });
        return;
      }
    }
  }

  #forget(tab) {
    this.#tabs.delete(tab);
    const shown = new Set([...this.#tabs].flatMap((each) => [...each.projects]));
    const unwanted = [...this.#projects.keys()].filter((id) => !shown.has(id));
    if (!unwanted.length || this.#leaving) return;
    // Not at once: from one page to the next a project is nobody's for a moment.
    this.#leaving = setTimeout(() => this.#prune(), LEAVE_AFTER_MS);
  }

  #prune() {
    const shown = new Set([...this.#tabs].flatMap((each) => [...each.projects]));
    for (const id of this.#projects.keys()) if (!shown.has(id)) this.#projects.delete(id);
    this.#open();
  }

  #ping() {
    for (const tab of this.#tabs) {
      if (tab.hasLock) continue;
      if (++tab.unanswered > UNANSWERED) this.#forget(tab);
      else this.#tell([tab], { kind: "ping" });
    }
  }
}

if ("SharedWorkerGlobalScope" in globalThis) {
  const hub = new Hub();
  globalThis.onconnect = ({ ports: [port] }) => hub.connect(port);
}
