// What an author extends.

import { Call, Step } from "./calls.js";
import { Chunks } from "./chunks.js";
import { Failed } from "./errors.js";

/** Returned by `Converter.event`: the response is complete, and what still comes is not wanted. */
export const DONE = Symbol("done");

/** Turns the engine's events into response chunks. One for each response. */
export class Converter {
  /** One event of the engine's answer. Returns nothing, `DONE`, or a `Step` to go on with. */
  event(_event, _chunks) {
    throw new Failed("internal", "this converter does not say what comes of an event");
  }

  /** A medium of the answer, which the call asked for (`Call.medium`, `Call.lift`). Returns as `event`. */
  medium(_medium, _chunks) {
    throw new Failed("internal", "this worker asks for no media");
  }

  /** Asked when the response ends before the engine's stream: whether an abort is idle. */
  engineIsDone() {
    return false;
  }

  /** The source has ended. Throw here if something is missing. */
  finish(_chunks) {}

  /** The engine answered with a status that is not 2xx. */
  rejected(status, body, _chunks) {
    throw Failed.fromEngine(status, body);
  }
}

/** What to do with one request: begin with `next`, or, with none, answer with the preface. */
export class Plan {
  constructor(next, converter, preface = new Chunks()) {
    Object.assign(this, { next: next instanceof Call ? new Step(next) : next, converter, preface });
  }
}

/**
 * One worker type. What it knows once its engine is ready is its `state`: made once, by `configure`, and
 * kept by the host as JSON. An instance may serve many requests, or one: keep nothing anywhere else.
 */
export class Worker {
  constructor(state) {
    this.state = state;
  }

  /** How to start and how to meet the engine. Nothing: other workers answer. */
  static prepare(_start) {
    return undefined;
  }

  /** The state: what can be written as JSON. */
  static configure(_settings, _engine) {
    return null;
  }

  /** Requests the host sends through the worker before it serves, all at once. */
  warmUp() {
    return [];
  }
}
