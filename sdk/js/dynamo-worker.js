// The JavaScript SDK for worker plugins of `dynamo-host`.
//
// A plugin is a class that extends `Worker`: it says who it is, how its engine is started, how it stands
// in Dynamo's discovery, and turns each request into one HTTP call to the engine and the engine's answer
// into response chunks. It has no I/O; the host does what it says. The structure is that of the Rust SDK,
// name by name; `dynamo-worker.d.ts` has the types. JavaScript costs about a hundred times what Rust costs
// for each event: write workers for embeddings, images and videos with it, and decode workers in Rust.

export { Call, Step, sendToEngine } from "./dynamo-worker/calls.js";
export { Chunks, parseChunk, parseEvent } from "./dynamo-worker/chunks.js";
export { Failed } from "./dynamo-worker/errors.js";
export { exported } from "./dynamo-worker/export.js";
export * as log from "./dynamo-worker/log.js";
export * as media from "./dynamo-worker/media.js";
export * as metrics from "./dynamo-worker/metrics.js";
export * as peers from "./dynamo-worker/peers.js";
export { Converter, DONE, Plan, Worker } from "./dynamo-worker/worker.js";
