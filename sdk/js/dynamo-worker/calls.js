// What a plugin can have done for a request.

import { asked, imported } from "./imports.js";
import { json } from "./json.js";
import { inlay } from "./media.js";
import { Reply } from "./peers.js";

/** One HTTP exchange with the engine, in the engine's own words. */
export class Call {
  constructor(method, path, body = new Uint8Array()) {
    Object.assign(this, { method, path, body, headers: [], tokensAs: undefined });
    Object.assign(this, { inlays: [], encoding: "plain", framing: "whole", lifted: undefined });
  }

  /** A GET whose whole body is one event. */
  static get(path) {
    return new Call("GET", path);
  }

  /** A POST of a JSON body; the whole answer is one event unless said otherwise. */
  static post(path, body) {
    return new Call("POST", path, json(body));
  }

  /** The answer comes as server-sent events. */
  sse() {
    this.framing = "sse";
    return this;
  }

  /** The answer comes as lines. */
  ndjson() {
    this.framing = "ndjson";
    return this;
  }

  /** The answer is a medium: `Converter.medium` gets it. */
  medium() {
    this.framing = "blob";
    return this;
  }

  /**
   * The answer is JSON whose members called `member` are media in base64. `Converter.medium` gets each, then
   * `Converter.event` the rest, where a number stands for each: 0, 1, ...
   */
  lift(member) {
    this.lifted = member;
    return this;
  }

  /** The body is sent as a form, its members as fields and its media as files. */
  form() {
    this.encoding = "form";
    return this;
  }

  /** The host writes `blob` where the JSON pointer `at` leads in the body: as `base64` or `data-url`. */
  inlay(at, blob, form) {
    this.inlays.push(inlay(at, blob, form));
    return this;
  }

  /** The host writes the request's token ids under this member of the body. */
  withTokensAs(member) {
    this.tokensAs = member;
    return this;
  }

  /** Adds headers, such as the request's trace headers. */
  withHeaders(headers) {
    this.headers.push(...headers);
    return this;
  }

  toContract() {
    const { lifted: lift, ...call } = this;
    return { ...call, lift };
  }
}

/** What the host does next for a response: a call, or another worker's reply, after a while if need be. */
export class Step {
  constructor(source, { afterMs = 0, abort } = {}) {
    Object.assign(this, { source, afterMs, abort });
  }

  toContract() {
    const source =
      this.source instanceof Reply
        ? { tag: "peer", val: this.source.take() }
        : { tag: "engine", val: this.source.toContract() };
    return { source, afterMs: this.afterMs, abort: this.abort?.toContract() };
  }
}

/** Sends a control call to the engine and waits for its answer: `status` and `body`. Needs `engine`. */
export function sendToEngine(call) {
  return asked(() => imported("engine").send(call.toContract()));
}
