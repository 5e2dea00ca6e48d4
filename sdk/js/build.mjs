// Builds NAME.wasm of the plugin in NAME.js, in the current folder: `node build.mjs NAME`.
//
// One module of the plugin, this SDK and MessagePack, then a component of that.

import { rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";
import { build } from "esbuild";

const [name] = process.argv.slice(2);
if (name === undefined) {
  console.error("usage: node build.mjs NAME");
  process.exit(2);
}
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const bundled = `${name}.bundle.js`;

await build({
  entryPoints: [`${name}.js`],
  outfile: bundled,
  bundle: true,
  format: "esm",
  alias: { "dynamo-worker": here("dynamo-worker.js") },
});
const { component } = await componentize({
  sourcePath: bundled,
  witPath: here("../../wit/v0.1"),
  worldName: "worker-plugin-alone",
  // A plugin has no clocks, randomness or network.
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(`${name}.wasm`, component);
await rm(bundled);
