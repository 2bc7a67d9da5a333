// One stream of the server's, held open: it comes again by itself, from where it was, and knows how long it heard nothing.
// Handlers: `event(kind, data, id)`; `silent()` when nothing was heard for 15 s, and `back(data)` when something is again;
// `refused()` when the answer was no stream; `trying(ms)` when it broke and is tried again in that many milliseconds.
const SILENT_MS = 15_000;
const AGAIN_MS = 2_000;
const KINDS = ["snapshot", "session", "gone", "withdrawn", "beat"];

export class Source {
  #url;
  #last;
  #handlers;
  #source;
  #timer;
  #watch;
  #begun;
  // Of this browser's clocks only that which runs evenly is asked.
  #heard = performance.now();
  isSilent = false;

  constructor(url, lastEventId, handlers) {
    this.#url = url;
    this.#last = lastEventId;
    this.#handlers = handlers;
    this.connect();
    this.#watch = setInterval(() => this.#listen(), 1_000);
  }

  // Connect anew, at once.
  connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#begun = performance.now();
    const mark = this.#url.includes("?") ? "&" : "?";
    const source = new EventSource(`${this.#url}${mark}last_event_id=${encodeURIComponent(this.#last)}`);
    this.#source = source;
    for (const kind of KINDS) source.addEventListener(kind, (event) => this.#take(source, kind, event));
    source.addEventListener("error", () => this.#broken(source));
  }

  close() {
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#source.close();
    this.#source = undefined;
  }

  #take(source, kind, event) {
    if (source !== this.#source) return;
    this.#heard = performance.now();
    this.#last = event.lastEventId;
    const data = JSON.parse(event.data);
    if (this.isSilent) {
      this.isSilent = false;
      this.#handlers.back(data);
    }
    this.#handlers.event(kind, data, event.lastEventId);
  }

  #broken(source) {
    if (source !== this.#source) return;
    const isRefused = source.readyState === EventSource.CLOSED;
    source.close();
    this.#again();
    if (isRefused) this.#handlers.refused();
  }

  #again() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), AGAIN_MS);
    this.#handlers.trying(AGAIN_MS);
  }

  #listen() {
    const silence = performance.now() - this.#heard;
    if (silence < SILENT_MS) return;
    if (!this.isSilent) {
      this.isSilent = true;
      this.#handlers.silent();
    }
    // A connection that is dead does not know it: each try has as long to say something.
    if (performance.now() - this.#begun > SILENT_MS) this.connect();
  }
}
