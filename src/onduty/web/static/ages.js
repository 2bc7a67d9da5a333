// How points in time are said, as `wording.moment` has it (tests/browser/test_ages.py compares), on the server's clock:
// it is told with the page and with each event, and counted on from there. The viewer's own clock is never asked.
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

let ahead = 0;

// The server's now was this text at that reading of the monotonic clock.
export function setClock(time, at = performance.now()) {
  ahead = Date.parse(time) - at;
}

export function serverNow() {
  return ahead + performance.now();
}

const two = (number) => String(number).padStart(2, "0");

export function timeOfDay(instant, seconds = true) {
  const date = new Date(instant);
  return `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ""}`;
}

function day(then, now) {
  const [date, today] = [new Date(then), new Date(now)];
  const number = (each) => Date.UTC(each.getFullYear(), each.getMonth(), each.getDate()) / DAY;
  if (number(today) - number(date) === 1) return `yesterday, ${timeOfDay(then, false)}`;
  const year = date.getFullYear() === today.getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year}`;
}

function span(passed) {
  if (passed < MINUTE) return `${Math.floor(passed / SECOND)} s`;
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)} min`;
  const minutes = Math.floor((passed % HOUR) / MINUTE);
  return `${Math.floor(passed / HOUR)} h${minutes ? ` ${minutes} min` : ""}`;
}

// A point in time as it is said; `isLost` while the server is not heard: then no age is known any more.
export function said(kind, then, now, isLost = false) {
  const passed = Math.max(0, now - then);
  if (passed >= DAY) return kind === "on" ? "" : kind === "for" ? `since ${day(then, now)}` : day(then, now);
  if (kind === "clock") return timeOfDay(then, false);
  if (isLost) return kind === "on" ? "" : `${kind === "ago" ? "at" : "since"} ${timeOfDay(then)}`;
  if (kind === "for") return `for ${span(passed)}`;
  if (kind === "ago") return `${span(passed)} ago`;
  if (kind === "waited" && passed >= MINUTE && passed < HOUR) {
    return `${span(passed)} ${Math.floor((passed % MINUTE) / SECOND)} s`;
  }
  return span(passed);
}

// Say every time below this element as it is now.
export function say(element, isLost) {
  const now = serverNow();
  for (const time of element.getElementsByTagName("time")) {
    const words = said(time.dataset.as, Date.parse(time.dateTime), now, isLost);
    if (time.textContent !== words) time.textContent = words;
  }
}
