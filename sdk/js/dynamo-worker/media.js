// Images and videos, which stay with the host: a plugin names them, the host moves them.

import { Held } from "./held.js";
import { asked, imported } from "./imports.js";

/** An image, a video, or whatever else the host holds. */
export class Blob extends Held {
  /** Bytes in it. */
  size() {
    return Number(this.handle.size());
  }

  /** Its media type, such as `image/png`. */
  contentType() {
    return this.handle.contentType();
  }

  /** The bytes from `offset` on, at most `count`, fewer at the end. For a look at a header. */
  read(offset, count) {
    return this.handle.read(BigInt(offset), count);
  }

  /** Writes it to the operator's store as `name`, a relative path; returns the URL. Needs `media`. */
  store(name) {
    return asked(() => imported("media").store(name, this.handle));
  }
}

/** Fetches an `http`, `https` or `data` URL, as far as the operator's rules allow it. Needs `media`. */
export function fetch(url, { maxBytes, timeoutMs, accept = [] }) {
  const limits = { maxBytes: BigInt(maxBytes), timeoutMs, accept };
  return new Blob(asked(() => imported("media").fetch(url, limits)));
}

/** A medium that the host writes into a document. The blob is given away with it. */
export function inlay(at, blob, form) {
  return { at, blob: blob.take(), form };
}
