// Chat, handed through to a llama.cpp server. Change what it does in `plan` and `event`.

import { Call, Converter, Failed, Plan, Worker, exported, parseEvent } from "dynamo-worker";

class MyWorker extends Worker {
  static describe() {
    return {
      name: "my_worker",
      version: "0.1.0",
      workerType: "aggregated",
      summary: "chat, by a llama.cpp server",
      settingsSchema: { type: "object", properties: { greeting: { type: "string" } } },
    };
  }

  static prepare(start) {
    const model = start.modelPath === undefined ? [] : ["--model", start.modelPath];
    return {
      program: ["llama-server"],
      args: [...start.arguments, ...model, "--host", start.host, "--port", start.port],
      contact: { ready: "/health" },
    };
  }

  static configure(settings) {
    // Put before every conversation, if the operator wants it (`--plugin-setting greeting=...`).
    return { greeting: settings.greeting };
  }

  registration() {
    return { modelTypes: ["chat"], input: "text" };
  }

  healthCheck() {
    return { messages: [{ role: "user", content: "ping" }], max_tokens: 1 };
  }

  plan(request) {
    const body = request.parse();
    if (!Array.isArray(body.messages)) {
      throw Failed.invalidRequest("messages: a list is wanted");
    }
    if (this.state.greeting) {
      body.messages.unshift({ role: "system", content: this.state.greeting });
    }
    for (const [name, value] of Object.entries(body)) {
      // llama.cpp takes an explicit null for a value of the wrong type.
      if (value === null) delete body[name];
    }
    body.stream = true;
    return new Plan(Call.post("/v1/chat/completions", body).sse(), new Relay());
  }
}

/** Hands the engine's chunks on. */
class Relay extends Converter {
  event(event, chunks) {
    if (new TextDecoder().decode(event) !== "[DONE]") chunks.send(parseEvent(event));
  }
}

export const worker = exported(MyWorker);
