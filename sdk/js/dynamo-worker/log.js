// The host's log. Needs the import `log`.

import { imported } from "./imports.js";

function write(level, words) {
  const log = imported("log");
  // The words become text only if it is read.
  if (log.enabled(level)) log.write(level, words.join(" "));
}

export function warn(...words) {
  write("warn", words);
}

/** What an operator wants to see once. */
export function info(...words) {
  write("info", words);
}

/** What only someone looking for a fault wants to see. */
export function debug(...words) {
  write("debug", words);
}
