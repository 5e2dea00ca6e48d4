// From an author's classes to the contract's exports.

import { Step } from "./calls.js";
import { Chunks } from "./chunks.js";
import { Failed, failureOf } from "./errors.js";
import { manifest, registration, setup } from "./facts.js";
import { Prompt, engineReport, planned } from "./given.js";
import { dropAll } from "./held.js";
import { json, parse } from "./json.js";
import { Blob } from "./media.js";
import { DONE } from "./worker.js";

/** What the component exports: `export const worker = exported(MyWorker);`, once. */
export function exported(Author) {
  class ExportedConverter {
    #converter;

    constructor(converter) {
      this.#converter = converter;
    }

    push(events) {
      return this.#output((chunks) => {
        for (const event of events) {
          const flow = this.#converter.event(event, chunks);
          if (flow !== undefined) return flow;
        }
      });
    }

    deliver(medium) {
      return this.#output((chunks) => this.#converter.medium(new Blob(medium), chunks));
    }

    finish() {
      return last((chunks) => this.#converter.finish(chunks));
    }

    rejected(status, body) {
      return last((chunks) => this.#converter.rejected(status, body, chunks));
    }

    #output(work) {
      return output(work, () => this.#converter.engineIsDone());
    }
  }

  return {
    Converter: ExportedConverter,
    describe: () => manifest(Author.describe()),
    prepare: failing((start) => setup(Author.prepare({ ...start, settings: parse(start.settings) }))),
    configure: failing((settings, report) => {
      const state = Author.configure(parse(settings), engineReport(report));
      const worker = new Author(state);
      return {
        state: json(state),
        registration: registration(worker.registration()),
        healthCheck: json(worker.healthCheck()),
        warmUp: worker.warmUp().map(json),
      };
    }),
    plan: failing((state, request, tokens) => {
      // Of a response whose end this did not see.
      dropAll();
      const plan = new Author(parse(state)).plan(planned(request), new Prompt(tokens));
      if (plan.preface.inlays.length > 0) throw new Failed("internal", "a preface cannot hold media");
      return {
        preface: plan.preface.encoded,
        next: plan.next?.toContract(),
        converter: new ExportedConverter(plan.converter),
      };
    }),
  };
}

/** After the end of an answer: whatever the converter thinks, the engine is done. */
function last(work) {
  const finished = (chunks) => {
    work(chunks);
    return DONE;
  };
  return output(finished, () => true);
}

/** What the host gets to know of a batch. Chunks sent before an error are still delivered. */
function output(work, engineIsDone) {
  const chunks = new Chunks();
  let next;
  let end;
  try {
    const flow = work(chunks);
    if (flow instanceof Step) next = flow.toContract();
    else if (flow === DONE) end = { engineDone: engineIsDone() };
  } catch (error) {
    end = { failure: failureOf(error), engineDone: engineIsDone() };
  }
  if (end !== undefined) dropAll();
  return { chunks: chunks.encoded, inlays: chunks.inlays, next, end };
}

/** Hands whatever is thrown to the host as a failure. */
function failing(work) {
  return (...given) => {
    try {
      return work(...given);
    } catch (error) {
      // A result's error is what is thrown with it as its payload.
      throw failureOf(error);
    }
  };
}
