// Failures. Whatever else is thrown is one of kind `internal`, which the client does not see.

import { text } from "./json.js";

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

/** Whatever was thrown, as the host takes it. */
export function failureOf(error) {
  if (error instanceof Failed) {
    return { kind: error.kind, message: error.message, public: error.isPublic };
  }
  return { kind: "internal", message: String(error), public: false };
}
