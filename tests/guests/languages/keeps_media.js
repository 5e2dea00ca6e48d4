// Does with media all that a plugin can, asks another worker and its engine. keeps_media.py is the same.

import { Call, Chunks, Converter, Plan, Step, Worker, exported, parseEvent, sendToEngine } from "dynamo-worker";
import { log, media, metrics, peers } from "dynamo-worker";

const LIMITS = { maxBytes: 1 << 20, timeoutMs: 5000, accept: ["image/"] };
const SIZES = metrics.histogram("medium_bytes", "Sizes of media.", ["type"], [16, 1024]);

class KeepsMedia extends Worker {
  static describe() {
    return { name: "keeps_media", version: "0.1.0", workerType: "test", metrics: [SIZES] };
  }

  static prepare() {
    return { program: ["no-such-engine"], contact: { ready: "/health" } };
  }

  registration() {
    return { modelTypes: [], input: "text" };
  }

  healthCheck() {
    return { get: "/health" };
  }

  plan(request) {
    const { relay, collect, status, get, hand_out, image, form } = request.parse();
    if (relay) return new Plan(new Step(peers.open(relay, { n: 2 })), new Relay());
    if (collect) return answered({ all: peers.open(collect, { n: 2 }).collect() });
    if (status) {
      const reply = sendToEngine(Call.get(status));
      return answered({ status: reply.status, body: new TextDecoder().decode(reply.body) });
    }
    if (get) return new Plan(Call.get(get).medium(), new Keep(hand_out));
    const call = Call.post("/generate", { image: null }).lift("b64_json");
    const fetched = media.fetch(image, LIMITS);
    if (form) return new Plan(call.form().inlay("/image", fetched, "base64"), new Keep());
    return new Plan(call.inlay("/image", fetched, "data-url"), new Keep());
  }
}

function answered(answer) {
  const chunks = new Chunks();
  chunks.send(answer);
  return new Plan(undefined, new Relay(), chunks);
}

/** Stores each medium and hands it out, or leaves it to the end of the response. */
class Keep extends Converter {
  seen = 0;

  constructor(handOut = true) {
    super();
    this.handOut = handOut;
  }

  medium(medium, chunks) {
    const [type, size] = [medium.contentType(), medium.size()];
    log.info("a medium of", size, "bytes,", type);
    metrics.record(0, size, [type]);
    const begin = btoa(String.fromCharCode(...medium.read(0, 4)));
    const url = medium.store(`made/${this.seen++}`);
    chunks.send({ url, size, type, begin });
    if (this.handOut) chunks.sendWith({ b64_json: null }, "/b64_json", medium);
  }

  event(event, chunks) {
    chunks.send(parseEvent(event));
  }
}

/** Hands another worker's chunks on. */
class Relay extends Converter {
  event(event, chunks) {
    chunks.sendEncoded(event);
  }
}

export const worker = exported(KeepsMedia);
