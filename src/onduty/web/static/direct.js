// A live stream held by this page itself. Handlers: `snapshot`, `session`, `gone` and `withdrawn` take an event's data,
// `silent` says that nothing was heard for 15 s, `back` that something is again; `refused` that the stream broke off.
const SILENT_MS = 15_000;
const AGAIN_MS = 4_000;
const KINDS = ["snapshot", "session", "gone", "withdrawn", "beat"];

export class Direct {
  #url;
  #handlers;
  #last;
  #source;
  #timer;
  #heard = performance.now();
  #isSilent = false;
  nextTry = 0;

  constructor(url, lastEventId, handlers) {
    this.#url = url;
    this.#last = lastEventId;
    this.#handlers = handlers;
    this.connect();
    setInterval(() => this.#listen(), 1_000);
  }

  // Connect anew, at once.
  connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.nextTry = 0;
    const source = new EventSource(`${this.#url}${this.#url.includes("?") ? "&" : "?"}last_event_id=${encodeURIComponent(this.#last)}`);
    this.#source = source;
    for (const kind of KINDS) source.addEventListener(kind, (event) => this.#take(source, kind, event));
    source.addEventListener("error", () => this.#broken(source));
  }

  #take(source, kind, event) {
    if (source !== this.#source) return;
    this.#heard = performance.now();
    this.#last = event.lastEventId;
    const data = JSON.parse(event.data);
    if (this.#isSilent) {
      this.#isSilent = false;
      this.#handlers.back(data);
    }
    this.#handlers[kind]?.(data);
  }

  #broken(source) {
    if (source !== this.#source) return;
    const isRefused = source.readyState === EventSource.CLOSED;
    source.close();
    this.nextTry = performance.now() + AGAIN_MS;
    this.#timer = setTimeout(() => this.connect(), AGAIN_MS);
    if (isRefused) this.#handlers.refused();
  }

  #listen() {
    if (performance.now() - this.#heard < SILENT_MS) return;
    if (!this.#isSilent) {
      this.#isSilent = true;
      this.#handlers.silent();
      this.connect();
    }
  }
}
