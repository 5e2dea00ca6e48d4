// The JavaScript SDK for worker plugins of `dynamo-host`.
//
// A plugin is a class that extends `Worker`: it says who it is, how its engine is started, how it stands
// in Dynamo's discovery, and turns each request into one HTTP call to the engine and the engine's answer
// into response chunks. It has no I/O; the host does what it says. The structure is that of the Rust SDK,
// name by name; `dynamo-worker.d.ts` has the types. JavaScript costs about a hundred times what Rust costs
// for each event: write workers for embeddings, images and videos with it, and decode workers in Rust.

import { encode, decode } from "@msgpack/msgpack";

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** A request that failed. `isPublic` lets the client read the message. */
export class Failed extends Error {
  constructor(kind, message, isPublic = false) {
    super(message);
    this.kind = kind;
    this.isPublic = isPublic;
  }

  /** The caller's fault, told to the caller: name the member that was wrong. */
  static invalidRequest(message) {
    return new Failed("invalid-request", message, true);
  }

  /** What an engine's HTTP error means: the kind by its status, its own message if it has one. */
  static fromEngine(status, body) {
    const message = enginesMessage(body);
    const kind = KIND_BY_STATUS[status] ?? "internal";
    return status >= 400 && status < 500
      ? new Failed(kind, message, true)
      : new Failed(kind, `the engine answered ${status}: ${message}`);
  }
}

const KIND_BY_STATUS = {
  400: "invalid-request",
  401: "unauthenticated",
  403: "permission-denied",
  404: "not-found",
  408: "deadline-exceeded",
  409: "conflict",
  413: "payload-too-large",
  415: "unsupported-media",
  422: "invalid-request",
  429: "rate-limited",
  431: "payload-too-large",
  499: "cancelled",
  501: "not-implemented",
  502: "backend-protocol",
  503: "unavailable",
  504: "deadline-exceeded",
  529: "capacity-exhausted",
};

function enginesMessage(body) {
  const words = text.decode(body);
  let answer;
  try {
    answer = JSON.parse(words);
  } catch {
    return words.slice(0, 512);
  }
  const found = [answer?.error?.message, answer?.message, answer?.detail, answer?.error];
  return found.find((message) => typeof message === "string") ?? words.slice(0, 512);
}

/** One HTTP exchange with the engine, in the engine's own words. */
export class Call {
  constructor(method, path, body = new Uint8Array()) {
    Object.assign(this, { method, path, body, headers: [], framing: "whole", tokensAs: undefined });
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
    return { ...this, inlays: [], encoding: "plain", lift: undefined };
  }
}

/** What the host does next for a response: a call, after a while if need be. */
export class Step {
  constructor(call, { afterMs = 0, abort } = {}) {
    Object.assign(this, { call, afterMs, abort });
  }

  toContract() {
    const source = { tag: "engine", val: this.call.toContract() };
    return { source, afterMs: this.afterMs, abort: this.abort?.toContract() };
  }
}

/** The chunks of a response, in order. Each is written once, as the MessagePack the host sends. */
export class Chunks {
  encoded = [];

  send(chunk) {
    this.encoded.push(encode(chunk, { ignoreUndefined: true }));
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

/** Returned by `Converter.event`: the response is complete, and what still comes is not wanted. */
export const DONE = Symbol("done");

/** Turns the engine's events into response chunks. One for each response. */
export class Converter {
  /** One event of the engine's answer. Returns nothing, `DONE`, or a `Step` to go on with. */
  event(_event, _chunks) {
    throw new Failed("internal", "this converter does not say what comes of an event");
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

/** The token ids of the request, which stay with the host until they are read. */
class Prompt {
  #tokens;

  constructor(tokens) {
    this.#tokens = tokens;
  }

  /** The ids from `start` on, at most `count`, fewer at the end. */
  read(start, count) {
    return this.#tokens.read(start, count);
  }
}

/** What the component exports: `export const worker = exported(MyWorker);`, once. */
export function exported(Author) {
  class ExportedConverter {
    #converter;

    constructor(converter) {
      this.#converter = converter;
    }

    push(events) {
      return output(this.#converter, (chunks) => {
        for (const event of events) {
          const flow = this.#converter.event(event, chunks);
          if (flow !== undefined) return flow;
        }
      });
    }

    deliver(_medium) {
      const failure = failureOf(new Failed("internal", "this SDK does not take media"));
      return { chunks: [], inlays: [], end: { failure, engineDone: false } };
    }

    finish() {
      return last((chunks) => this.#converter.finish(chunks));
    }

    rejected(status, body) {
      return last((chunks) => this.#converter.rejected(status, body, chunks));
    }
  }

  return {
    Converter: ExportedConverter,
    describe: () => manifest(Author.describe()),
    prepare: failing((start) => setup(Author.prepare({ ...start, settings: parse(start.settings) }))),
    configure: failing((settings, report) => {
      const state = Author.configure(parse(settings), engineReport(report));
      const worker = new Author(state);
      return {
        state: json(state),
        registration: registration(worker.registration()),
        healthCheck: json(worker.healthCheck()),
        warmUp: worker.warmUp().map(json),
      };
    }),
    plan: failing((state, request, tokens) => {
      const plan = new Author(parse(state)).plan(planned(request), new Prompt(tokens));
      return {
        preface: plan.preface.encoded,
        next: plan.next?.toContract(),
        converter: new ExportedConverter(plan.converter),
      };
    }),
  };
}

/** After the end of an answer: whatever the converter thinks, the engine is done. */
function last(work) {
  const chunks = new Chunks();
  let failure;
  try {
    work(chunks);
  } catch (error) {
    failure = failureOf(error);
  }
  return { chunks: chunks.encoded, inlays: [], end: { failure, engineDone: true } };
}

/** What the host gets to know of a batch. Chunks sent before an error are still delivered. */
function output(converter, work) {
  const chunks = new Chunks();
  let next;
  let end;
  try {
    const flow = work(chunks);
    if (flow instanceof Step) next = flow.toContract();
    else if (flow === DONE) end = { engineDone: converter.engineIsDone() };
  } catch (error) {
    end = { failure: failureOf(error), engineDone: converter.engineIsDone() };
  }
  return { chunks: chunks.encoded, inlays: [], next, end };
}

/** Hands whatever is thrown to the host as a failure. */
function failing(work) {
  return (...given) => {
    try {
      return work(...given);
    } catch (error) {
      // A result's error is what is thrown with it as its payload.
      throw failureOf(error);
    }
  };
}

function failureOf(error) {
  if (error instanceof Failed) {
    return { kind: error.kind, message: error.message, public: error.isPublic };
  }
  return { kind: "internal", message: String(error), public: false };
}

function manifest(said) {
  return {
    summary: "",
    metrics: [],
    // Instances are used again, by one request at a time: the engine of the language starts slowly.
    isolation: "warm",
    ...said,
    settingsSchema: said.settingsSchema && json(said.settingsSchema),
  };
}

function setup(said) {
  if (!said) return undefined;
  const { program, contact, args = [], environment = {} } = said;
  return {
    program,
    arguments: args.map(String),
    environment: Object.entries(environment),
    contact: { reports: [], modelFiles: [], ...contact },
  };
}

function registration(said) {
  return {
    workerType: "aggregated",
    needs: [],
    component: "backend",
    kvCacheBlockSize: 0,
    ...said,
    runtimeConfig: json(said.runtimeConfig ?? {}),
  };
}

function engineReport(report) {
  const find = (documents, name) => {
    const found = documents.find(([at]) => at === name);
    return found && parse(found[1]);
  };
  return {
    ...report,
    answer: (path) => find(report.answers, path),
    file: (name) => find(report.files, name),
  };
}

function planned(request) {
  return {
    ...request,
    parse() {
      const body = parse(request.body);
      if (body === null || typeof body !== "object" || Array.isArray(body)) {
        throw Failed.invalidRequest("the request body: an object is wanted");
      }
      return body;
    },
  };
}

function json(document) {
  return utf8.encode(JSON.stringify(document));
}

function parse(bytes) {
  return JSON.parse(text.decode(bytes));
}
