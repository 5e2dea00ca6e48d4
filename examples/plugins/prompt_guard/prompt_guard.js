// Chat by a llama.cpp server that refuses prompts before the engine sees them: by what they say, and by
// how long they are. The refusal reaches the client as an OpenAI error.

import { Call, Converter, Failed, Plan, Worker, exported, parseEvent } from "dynamo-worker";

class PromptGuard extends Worker {
  static describe() {
    return {
      name: "prompt_guard",
      version: "0.1.0",
      workerType: "aggregated",
      summary: "chat by llama.cpp, for prompts that pass",
      settingsSchema: {
        type: "object",
        properties: {
          forbidden: { type: "array", items: { type: "string", format: "regex" } },
          max_characters: { type: "integer" },
        },
      },
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

  static configure({ forbidden = [], max_characters }) {
    for (const pattern of forbidden) {
      try {
        new RegExp(pattern, "iu");
      } catch (error) {
        throw Failed.invalidRequest(`forbidden: ${error.message}`);
      }
    }
    return { forbidden, maxCharacters: max_characters };
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
    this.#check(body.messages.map(textOf));
    for (const [name, value] of Object.entries(body)) {
      // llama.cpp takes an explicit null for a value of the wrong type.
      if (value === null) delete body[name];
    }
    body.stream = true;
    const call = Call.post("/v1/chat/completions", body).sse().withHeaders(request.traceHeaders);
    return new Plan(call, new Relay());
  }

  #check(texts) {
    const { forbidden, maxCharacters } = this.state;
    const length = texts.reduce((sum, text) => sum + text.length, 0);
    if (maxCharacters !== undefined && length > maxCharacters) {
      throw new Failed("payload-too-large", `messages: more than ${maxCharacters} characters`, true);
    }
    for (const pattern of forbidden.map((pattern) => new RegExp(pattern, "iu"))) {
      const at = texts.findIndex((text) => pattern.test(text));
      if (at >= 0) throw Failed.invalidRequest(`messages[${at}]: not allowed here`);
    }
  }
}

/** What a message says, also if it does so in parts. */
function textOf({ content }) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => part.text ?? "").join("\n");
}

/** Hands the engine's chunks on. */
class Relay extends Converter {
  event(event, chunks) {
    if (new TextDecoder().decode(event) !== "[DONE]") chunks.send(parseEvent(event));
  }
}

export const worker = exported(PromptGuard);
