// Nothing moves under a reader: while the pointer is over the rows, the focus is in them or text of them is selected,
// and for two seconds after that.
const AFTER_MS = 2_000;
// A pointer that has lain still for so long points at nothing: it was left there.
const STILL_MS = 60_000;

export class Hold {
  #places;
  #release;
  #isOver = false;
  #heldAt = -Infinity;
  #movedAt = -Infinity;
  #timer;
  #wasHeld = false;

  // `release` is called once nothing holds any longer.
  constructor(places, release) {
    this.#places = places;
    this.#release = release;
    // The pointer may have come before this script; a finger leaves a hover behind, which is none.
    if (!matchMedia("(pointer: coarse)").matches && places.some((place) => place.matches(":hover"))) {
      this.#isOver = true;
      this.#heldAt = this.#movedAt = performance.now();
    }
    document.addEventListener("pointermove", (event) => this.#point(event), { passive: true });
    document.addEventListener("pointerdown", (event) => this.#point(event), { passive: true });
    document.addEventListener("wheel", (event) => this.#point(event), { passive: true });
    document.documentElement.addEventListener("pointerleave", () => this.#leave());
    document.addEventListener("visibilitychange", () => document.hidden && this.#leave());
    for (const type of ["selectionchange", "focusin", "focusout"]) document.addEventListener(type, () => this.#look());
    this.#look();
  }

  get isHeld() {
    const now = performance.now();
    if (this.#isPointed(now) || this.#isFocused() || this.#isSelected()) {
      this.#heldAt = now;
      return true;
    }
    return now - this.#heldAt < AFTER_MS;
  }

  #point(event) {
    const over = event.target instanceof Element && this.#places.some((place) => place.contains(event.target));
    if (over) this.#movedAt = performance.now();
    if (over || this.#isOver) this.#heldAt = performance.now();
    // A finger points as long as it is down, and leaves no pointer behind.
    this.#isOver = over && event.pointerType !== "touch";
    this.#look();
  }

  #leave() {
    if (this.#isOver) this.#heldAt = performance.now();
    this.#isOver = false;
    this.#look();
  }

  #look() {
    clearTimeout(this.#timer);
    if (this.isHeld) {
      this.#wasHeld = true;
      this.#timer = setTimeout(() => this.#look(), AFTER_MS / 4);
    } else if (this.#wasHeld) {
      this.#wasHeld = false;
      this.#release();
    }
  }

  #isPointed(now) {
    return this.#isOver && now - this.#movedAt < STILL_MS;
  }

  #isFocused() {
    const focused = document.activeElement;
    return Boolean(focused?.matches(":focus-visible") && this.#places.some((place) => place.contains(focused)));
  }

  #isSelected() {
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && this.#places.some((place) => place.contains(selection.anchorNode)));
  }
}
