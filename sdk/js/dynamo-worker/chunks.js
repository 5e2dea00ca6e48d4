// Response chunks on their way out, engine events on their way in.

import { decode, encode } from "@msgpack/msgpack";

import { Failed } from "./errors.js";
import { text } from "./json.js";
import { inlay } from "./media.js";

/** The chunks of a response, in order. Each is written once, as the MessagePack the host sends. */
export class Chunks {
  encoded = [];
  inlays = [];

  send(chunk) {
    this.encoded.push(encode(chunk, { ignoreUndefined: true }));
  }

  /** Sends a chunk in which the host writes `blob` where the JSON pointer `at` leads, such as to null. */
  sendWith(chunk, at, blob) {
    this.inlays.push({ chunk: this.encoded.length, inlay: inlay(at, blob, "base64") });
    this.send(chunk);
  }

  /** Sends a chunk that is encoded already, such as one of another worker's. */
  sendEncoded(chunk) {
    this.encoded.push(chunk);
  }
}

/** An event of the engine's answer, parsed as JSON. Fails with `backend-protocol`. */
export function parseEvent(event) {
  const words = text.decode(event);
  try {
    return JSON.parse(words);
  } catch (error) {
    const shown = words.slice(0, 120);
    throw new Failed("backend-protocol", `the engine sent malformed JSON (${error.message}): ${shown}`);
  }
}

/** A chunk of another worker's response. Fails with `backend-protocol`. */
export function parseChunk(chunk) {
  try {
    return decode(chunk);
  } catch (error) {
    throw new Failed("backend-protocol", `another worker's chunk makes no sense: ${error.message}`);
  }
}
