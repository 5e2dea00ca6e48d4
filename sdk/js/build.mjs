// Builds NAME.wasm of the plugin in NAME.js, in the current folder: `node build.mjs NAME [IMPORT...]`.
//
// One module of the plugin, this SDK and MessagePack, then a component of that. The component imports all
// that is named, used or not, and the operator must grant it: log, metrics, media, peers, engine.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";
import { build } from "esbuild";

const IMPORTS = ["log", "metrics", "media", "peers", "engine"];

const [name, ...imports] = process.argv.slice(2);
const unknown = imports.find((one) => !IMPORTS.includes(one));
if (name === undefined || unknown !== undefined) {
  if (unknown !== undefined) console.error(`no such import: ${unknown}`);
  console.error(`usage: node build.mjs NAME [IMPORT...], where an IMPORT is ${IMPORTS.join(", ")}`);
  process.exit(2);
}
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const contract = here("../../wit/v0.1");
const bundled = `${name}.bundle.js`;
const wit = await mkdtemp(join(tmpdir(), "wit-"));

try {
  await build({
    entryPoints: [`${name}.js`],
    outfile: bundled,
    bundle: true,
    format: "esm",
    alias: { "dynamo-worker": here("dynamo-worker.js") },
    external: ["dynamo:*"],
    plugins: [{ name: "imports", setup: await namespaces() }],
  });
  const { component } = await componentize({
    sourcePath: bundled,
    witPath: wit,
    worldName: await world(),
    // A plugin has no clocks, randomness or network.
    disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
  });
  await writeFile(`${name}.wasm`, component);
} finally {
  await rm(bundled, { force: true });
  await rm(wit, { recursive: true });
}

/** Makes the SDK's module `dynamo-worker:imports`. A bundle that speaks of an import its world has not is refused. */
async function namespaces() {
  const types = await readFile(join(contract, "types.wit"), "utf8");
  const [, version] = /^package dynamo:worker@(.+);$/m.exec(types);
  const contents = imports.map((one) => `export * as ${one} from "dynamo:worker/${one}@${version}";`).join("\n");
  return ({ onResolve, onLoad }) => {
    onResolve({ filter: /^dynamo-worker:imports$/ }, ({ path }) => ({ path, namespace: "imports" }));
    onLoad({ filter: /.*/, namespace: "imports" }, () => ({ contents }));
  };
}

/** Writes the contract's files into `wit`, with a world of what was named, if anything was. */
async function world() {
  await cp(contract, wit, { recursive: true });
  if (imports.length === 0) return "worker-plugin-alone";
  const lines = ["include worker-plugin-alone;", ...imports.map((one) => `import ${one};`)];
  await writeFile(join(wit, "named.wit"), `world worker-plugin-named { ${lines.join(" ")} }\n`);
  return "worker-plugin-named";
}
