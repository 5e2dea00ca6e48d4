// What a worker is given.

import { Failed } from "./errors.js";
import { parse } from "./json.js";

/** The token ids of the request, which stay with the host until they are read. */
export class Prompt {
  #tokens;

  constructor(tokens) {
    this.#tokens = tokens;
  }

  /** The ids from `start` on, at most `count`, fewer at the end. */
  read(start, count) {
    return this.#tokens.read(start, count);
  }
}

export function engineReport(report) {
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

export function planned(request) {
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
