// `listen` tells a page what changes in a project. All tabs of a browser share one stream (live-worker.js).
import * as attention from "./attention.js";

const listeners = new Map();
let port;
// When a broken connection is tried again, on this page's even clock; 0 while it is not broken.
let nextTry = 0;

// From the event `lastEventId` on. Handlers, each of which may be missing: `snapshot` (fetch what is shown again),
// `session`, `gone` and `withdrawn` (it may not be seen any more) take an event's data, and `beat` the server's `now`;
// `silent` when nothing was heard for 15 s, `back` with data when something is again, `refused` when the server answers
// with something else. What is answered has `connect()`, for trying at once, and `nextTry`.
export function listen(project, lastEventId, handlers) {
  if (!port) open();
  listeners.set(project, { last: lastEventId, handlers });
  port.postMessage({ kind: "listen", project, last: lastEventId });
  return {
    connect: () => port.postMessage({ kind: "connect" }),
    get nextTry() {
      return nextTry;
    },
  };
}

function open() {
  try {
    const worker = new SharedWorker("/static/live-worker.js", { type: "module", name: "onduty" });
    // Where a shared worker cannot be such a script.
    worker.onerror = () => use(alone());
    use(worker.port);
  } catch {
    use(alone());
  }
  document.addEventListener("visibilitychange", tellVisible);
  addEventListener("pagehide", () => port.postMessage({ kind: "leave" }));
  addEventListener("pageshow", (event) => event.persisted && again());
}

function use(made) {
  port = made;
  port.onmessage = ({ data }) => hear(data);
  tellVisible();
  again();
  // A lock that is never given back says to the worker, when it gets it, that this tab is gone.
  const name = `onduty-tab-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  navigator.locks?.request(name, () => {
    made.postMessage({ kind: "lock", name });
    return new Promise(() => {});
  });
}

function tellVisible() {
  port.postMessage({ kind: "visible", isVisible: !document.hidden });
}

function alone() {
  const { port1, port2 } = new MessageChannel();
  import("./live-worker.js").then(({ Hub }) => new Hub().connect(port2));
  return port1;
}

function again() {
  for (const [project, { last }] of listeners) port.postMessage({ kind: "listen", project, last });
}

function hear(said) {
  if (said.kind === "event") take(said);
  else if (said.kind === "trying") nextTry = performance.now() + said.ms;
  else if (said.kind === "ping") again();
  else if (said.kind === "ready") port.postMessage(said);
  else if (said.kind === "notify") attention.show(said.notice);
  else if (said.kind === "calm") attention.close(said.tag);
  else for (const { handlers } of listeners.values()) handlers[said.kind]?.(said.data);
}

function take({ event, project, data, id }) {
  nextTry = 0;
  for (const [each, listener] of listeners) {
    if (project !== undefined && each !== project) continue;
    listener.last = id ?? listener.last;
    listener.handlers[event]?.(data);
  }
}
