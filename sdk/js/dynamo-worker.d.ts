// Types of the SDK, and of Dynamo's requests and chunks.

export type Kind =
  | "invalid-request" | "unauthenticated" | "permission-denied" | "not-found" | "conflict"
  | "payload-too-large" | "unsupported-media" | "rate-limited" | "capacity-exhausted" | "cancelled"
  | "unavailable" | "backend-protocol" | "deadline-exceeded" | "not-implemented" | "internal";

export class Failed extends Error {
  constructor(kind: Kind, message: string, isPublic?: boolean);
  static invalidRequest(message: string): Failed;
  static fromEngine(status: number, body: Uint8Array): Failed;
}

export class Call {
  static get(path: string): Call;
  static post(path: string, body: unknown): Call;
  sse(): this;
  ndjson(): this;
  /** The answer is a medium: `Converter.medium` gets it. */
  medium(): this;
  /** Members of the answer of this name are media in base64: `Converter.medium` gets each, in order. */
  lift(member: string): this;
  /** The body is sent as a form. */
  form(): this;
  /** The host writes `blob` where the JSON pointer `at` leads in the body. */
  inlay(at: string, blob: media.Blob, form: "base64" | "data-url"): this;
  withTokensAs(member: string): this;
  withHeaders(headers: [string, string][]): this;
}

export class Step {
  constructor(source: Call | peers.Reply, options?: { afterMs?: number; abort?: Call });
}

/** Sends a control call to the engine and waits for its answer. Needs the import `engine`. */
export function sendToEngine(call: Call): { status: number; body: Uint8Array };

export class Chunks {
  send(chunk: unknown): void;
  /** The host writes `blob` in base64 where the JSON pointer `at` leads, such as to null. */
  sendWith(chunk: unknown, at: string, blob: media.Blob): void;
  /** A chunk that is encoded already, such as one of another worker's. */
  sendEncoded(chunk: Uint8Array): void;
}

export function parseEvent(event: Uint8Array): any;
export function parseChunk(chunk: Uint8Array): any;

export const DONE: unique symbol;

export class Converter {
  event(event: Uint8Array, chunks: Chunks): void | typeof DONE | Step;
  medium(medium: media.Blob, chunks: Chunks): void | typeof DONE | Step;
  engineIsDone(): boolean;
  finish(chunks: Chunks): void;
  rejected(status: number, body: Uint8Array, chunks: Chunks): void;
}

/** The host's log. Needs the import `log`. */
export namespace log {
  function warn(...words: unknown[]): void;
  function info(...words: unknown[]): void;
  function debug(...words: unknown[]): void;
}

/** Numbers for the host's `/metrics`. */
export namespace metrics {
  function histogram(name: string, help: string, labels: string[], buckets: number[]): Metric;
  /** The metric is named by its position in the manifest. Needs the import `metrics`. */
  function record(position: number, value: number, labels?: string[]): void;
}

/** Images and videos, which stay with the host. */
export namespace media {
  /** Given away when it is written into a chunk or a call, and freed with the response otherwise. */
  class Blob {
    size(): number;
    contentType(): string;
    read(offset: number, count: number): Uint8Array;
    /** Returns the URL. Needs the import `media`. */
    store(name: string): string;
    /** Frees it before the response ends. */
    drop(): void;
  }
  interface Limits {
    maxBytes: number;
    timeoutMs: number;
    /** Prefixes of media types, such as `image/`; none for any. */
    accept?: string[];
  }
  /** Needs the import `media`. */
  function fetch(url: string, limits: Limits): Blob;
}

/** Other workers, by endpoint. */
export namespace peers {
  class Reply {
    /** Waits for at least one chunk; none at the end. */
    next(): any[];
    collect(): any[];
    /** Gives the request up. */
    drop(): void;
  }
  /** Needs the import `peers`. */
  function open(endpoint: string, body: unknown): Reply;
}

export class Plan {
  constructor(next: Call | Step | undefined, converter: Converter, preface?: Chunks);
}

export interface Metric {
  /** One that begins with `dynamo_` is shown as it is, any other as `dynamo_host_plugin_NAME`. */
  name: string;
  help: string;
  instrument: "counter" | "gauge" | "histogram";
  labels: string[];
  buckets: Float64Array;
}

export interface Manifest {
  /** Lower-case letters, digits and `_`: the name of the plugin's file. */
  name: string;
  version: string;
  workerType: string;
  summary?: string;
  /** JSON Schema of the plugin's own settings. */
  settingsSchema?: object;
  metrics?: Metric[];
  isolation?: "fresh" | "warm";
}

export interface Start {
  settings: Record<string, any>;
  modelPath?: string;
  servedName?: string;
  arguments: string[];
  host: string;
  port: number;
  scratch: string;
}

export interface Setup {
  program: string[];
  args?: unknown[];
  environment?: Record<string, string>;
  contact: {
    ready: string;
    reports?: string[];
    modelFiles?: string[];
    /** Numbers in Prometheus' text format, shown among the host's own. */
    metrics?: { path: string; prefix: string };
  };
}

export interface EngineReport {
  modelPath: string;
  servedName: string;
  address: string;
  answer(path: string): any;
  file(name: string): any;
}

export interface Registration {
  modelTypes: ("chat" | "completions" | "embedding" | "images" | "videos" | "rerank" | "prefill")[];
  input: "tokens" | "text" | "tensor";
  workerType?: "aggregated" | "prefill" | "decode" | "encode";
  needs?: string[][];
  component?: string;
  kvCacheBlockSize?: number;
  runtimeConfig?: object;
  concurrency?: number;
}

export interface Request {
  id: string;
  tokenCount?: number;
  traceHeaders: [string, string][];
  adapters: string[];
  probe: boolean;
  fresh: { requestId: string; bootstrapRoom: bigint; seed: number; unixMillis: bigint };
  parse(): any;
}

export interface Prompt {
  read(start: number, count: number): Uint32Array;
}

export abstract class Worker<State = any> {
  state: State;
  constructor(state: State);
  static prepare(start: Start): Setup | undefined;
  static configure(settings: Record<string, any>, engine: EngineReport): any;
  abstract registration(): Registration;
  abstract healthCheck(): object;
  warmUp(): object[];
  abstract plan(request: Request, prompt: Prompt): Plan;
}

export function exported(worker: { new (state: any): Worker; describe(): Manifest }): object;

// What a worker registered with the input `tokens` is asked and what it answers: `PreprocessedRequest` and
// `LLMEngineOutput` of Dynamo 1.6.1, as far as a worker can act on them. A request's `token_ids` stay with
// the host (`Prompt`).

export interface GenerateRequest {
  model?: string;
  sampling_options?: {
    n?: number | null;
    temperature?: number | null;
    top_p?: number | null;
    top_k?: number | null;
    min_p?: number | null;
    seed?: number | null;
    presence_penalty?: number | null;
    frequency_penalty?: number | null;
    repetition_penalty?: number | null;
    guided_decoding?: object | null;
  };
  stop_conditions?: {
    max_tokens?: number | null;
    min_tokens?: number | null;
    stop?: string[] | null;
    stop_token_ids?: number[] | null;
    stop_token_ids_hidden?: number[] | null;
    ignore_eos?: boolean | null;
  };
  output_options?: { logprobs?: number | null; prompt_logprobs?: number | null };
  annotations?: string[];
}

export interface TokenChunk {
  index: number;
  token_ids: number[];
  finish_reason?: "eos" | "length" | "stop" | "cancelled" | "content_filter";
  stop_reason?: string | number;
  log_probs?: number[];
  completion_usage?: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
}
