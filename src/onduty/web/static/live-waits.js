// The viewer's own agents that wait: each wait is said once, when it has lasted 3 s, in whatever tab.
const AFTER_MS = 3_000;
// A page that was made takes that long at the most until it listens.
const OPENING_MS = 2_000;

export class Waits {
  #notify;
  #calm;
  #waits = new Map();
  // When somebody began to listen to a project, on this browser's even clock and then on the server's: what waited before
  // that stood on the page that was opened.
  #listened = new Map();
  #begun = new Map();

  constructor(notify, calm) {
    this.#notify = notify;
    this.#calm = calm;
  }

  listen(project) {
    if (!this.#listened.has(project)) this.#listened.set(project, performance.now());
  }

  hear(kind, data) {
    const { project_id: project, now } = data;
    if (!this.#begun.has(project)) {
      const since = performance.now() - this.#listened.get(project);
      this.#begun.set(project, Date.parse(now) - since - OPENING_MS);
    }
    if (kind === "session") this.#look(project, data.session.session_id, data.notice, now);
    else if (kind === "gone") this.#over(data.session_id);
    else if (kind === "snapshot") {
      const found = new Map(data.sessions.map((session) => [session.session_id, session.notice]));
      for (const [id, wait] of this.#waits) if (wait.project === project && !found.has(id)) this.#over(id);
      for (const [id, notice] of found) this.#look(project, id, notice, now);
    }
  }

  #look(project, id, notice, now) {
    if (this.#waits.get(id)?.since === notice?.since) return;
    this.#over(id);
    if (!notice) return;
    const tag = `${id} ${notice.since}`;
    const waits = Date.parse(now) - Date.parse(notice.since);
    const say = () => this.#notify({ ...notice, tag, project, session: id });
    const isNew = Date.parse(notice.since) >= this.#begun.get(project);
    this.#waits.set(id, {
      project,
      tag,
      since: notice.since,
      timer: isNew ? setTimeout(say, Math.max(0, AFTER_MS - waits)) : undefined,
    });
  }

  #over(id) {
    const wait = this.#waits.get(id);
    if (!wait) return;
    clearTimeout(wait.timer);
    this.#waits.delete(id);
    this.#calm(wait.tag);
  }
}
