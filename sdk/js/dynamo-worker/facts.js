// What a worker says about itself, as the contract has it, with defaults.

import { json } from "./json.js";

export function manifest(said) {
  return {
    summary: "",
    metrics: [],
    // Instances are used again, by one request at a time: the engine of the language starts slowly.
    isolation: "warm",
    ...said,
    settingsSchema: said.settingsSchema && json(said.settingsSchema),
  };
}

export function setup(said) {
  if (!said) return undefined;
  const { program, contact, args = [], environment = {} } = said;
  return {
    program,
    arguments: args.map(String),
    environment: Object.entries(environment),
    contact: { reports: [], modelFiles: [], ...contact },
  };
}

export function registration(said) {
  return {
    workerType: "aggregated",
    needs: [],
    component: "backend",
    kvCacheBlockSize: 0,
    ...said,
    runtimeConfig: json(said.runtimeConfig ?? {}),
  };
}
