// What the component imports beside what `worker` itself speaks of: as much as its build was told.

// Made by build.mjs: a namespace for each import that was named.
import * as named from "dynamo-worker:imports";

import { Failed } from "./errors.js";

/** The functions of an import. */
export function imported(name) {
  if (named[name] === undefined) {
    const message = `the plugin was built without \`${name}\`: name it to the build, \`build.mjs NAME ${name}\``;
    throw new Failed("internal", message);
  }
  return named[name];
}

/** What the host answers; what it refuses with is thrown as `Failed`. */
export function asked(question) {
  try {
    return question();
  } catch (error) {
    if (error.payload?.kind === undefined) throw error;
    const { kind, message, public: isPublic } = error.payload;
    throw new Failed(kind, message, isPublic);
  }
}
