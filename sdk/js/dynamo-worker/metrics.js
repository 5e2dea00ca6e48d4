// Numbers for the host's `/metrics`.

import { imported } from "./imports.js";

/** A histogram to declare in the manifest. The host adds the bucket without an upper bound. */
export function histogram(name, help, labels, buckets) {
  return { name, help, instrument: "histogram", labels, buckets: new Float64Array(buckets) };
}

/** Records a value of the manifest's metric at `position`, with its labels' values. Needs `metrics`. */
export function record(position, value, labels = []) {
  imported("metrics").recordValue(position, value, labels);
}
