// Other workers of the namespace, by endpoint (`namespace.component.endpoint`).

import { parseChunk } from "./chunks.js";
import { Held } from "./held.js";
import { asked, imported } from "./imports.js";
import { json } from "./json.js";

// Chunks asked for at once.
const BATCH = 64;

/** The response of another worker, to be read here or to be the source of a step. */
export class Reply extends Held {
  /** Waits for at least one chunk, then returns what has arrived; none at the end. */
  next() {
    return asked(() => this.handle.next(BATCH)).map(parseChunk);
  }

  /** All chunks to the end. */
  collect() {
    const all = [];
    for (let chunks = this.next(); chunks.length > 0; chunks = this.next()) all.push(...chunks);
    this.drop();
    return all;
  }
}

/** Sends `body` to one of the workers that serve `endpoint`. Needs `peers`. */
export function open(endpoint, body) {
  return new Reply(asked(() => imported("peers").open(endpoint, json(body))));
}
