// Pyodide in Node or in a page of Chromium, for the tests: takes jobs on standard
// input, one a line, {"code": "…", "args": {…}}, and answers each by one line,
// {"result": "…"} or {"error": "…"}.
//
//     node host.mjs node|chromium BASE
//
// BASE is where `examples/browser/serve.py` serves Pyodide and the wheels.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { join } from "node:path";
import { openChromium } from "./chromium.mjs";

const require = createRequire(join(process.env.NODE_PATH, ".."));
const [kind, base] = process.argv.slice(2);

// Runs in Node, or in the page: hence nothing from outside but its argument.
async function boot({ base, loadPyodide }) {
  const { wheels } = await (await fetch(`${base}/config.json`)).json();
  const urls = wheels.map((name) => `${base}/wheels/${name}`);
  const pyodide = await loadPyodide();
  await pyodide.loadPackage(urls.filter((url) => url.includes("/micropip-")));
  pyodide.globals.set("urls", urls.filter((url) => !url.includes("/micropip-")));
  await pyodide.runPythonAsync("import micropip\nawait micropip.install(list(urls))");
  globalThis.runJob = async ({ code, args }) => {
    pyodide.globals.set("args", JSON.stringify(args ?? {}));
    try {
      return { result: await pyodide.runPythonAsync(code) };
    } catch (error) {
      return { error: String(error.message ?? error) };
    }
  };
}

async function inNode() {
  globalThis.WebSocket ??= require("ws");
  const { loadPyodide } = await import(require.resolve("pyodide/pyodide.mjs"));
  await boot({ base, loadPyodide });
  return { run: globalThis.runJob, end: () => {} };
}

async function inChromium() {
  const { context, close } = await openChromium();
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`In the page: ${error}`));
  await page.goto(`${base}/config.json`);
  await page.evaluate(`(${boot})({
    base: ${JSON.stringify(base)},
    loadPyodide: async () => (await import("/pyodide/pyodide.mjs")).loadPyodide(),
  })`);
  return { run: (job) => page.evaluate((job) => globalThis.runJob(job), job), end: close };
}

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let host;
try {
  host = await (kind === "node" ? inNode() : inChromium());
} catch (error) {
  answer({ error: String(error.stack ?? error) });
  process.exit(1);
}
answer({ result: "ready" });
for await (const line of createInterface({ input: process.stdin })) {
  answer(await host.run(JSON.parse(line)));
}
await host.end();
process.exit(0);
