// What the host holds for a response: media, and what other workers answer.

import { Failed } from "./errors.js";

const dispose = Symbol.dispose ?? Symbol.for("dispose");

// Nothing is left to the garbage collector: it may never run, and it forgets a handle that was lent to a
// function of the host. The instance serves one request at a time, so that this is what one response holds.
const held = new Set();

/** Held under a handle, until it is given away or dropped. */
export class Held {
  #handle;

  constructor(handle) {
    this.#handle = handle;
    held.add(this);
  }

  get handle() {
    if (this.#handle === undefined) {
      throw new Failed("internal", "a medium or a reply was used after it was given away or dropped");
    }
    return this.#handle;
  }

  /** Gives it away. */
  take() {
    const handle = this.handle;
    this.#handle = undefined;
    held.delete(this);
    return handle;
  }

  /** Frees it before the response ends. */
  drop() {
    this.take()[dispose]();
  }
}

/** Frees what is left of a response. */
export function dropAll() {
  for (const one of held) one.drop();
}
