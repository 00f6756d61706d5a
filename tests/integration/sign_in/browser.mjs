// node browser.mjs <configuration of each scenario, as JSON>: runs the scenarios in Chromium, on a
// page of another origin than the API and the user pool; prints what each step left, as JSON.

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import Chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const configs = JSON.parse(process.argv[2]);
const bundle = await build({
  entryPoints: [fileURLToPath(new URL("./scenarios.mjs", import.meta.url))],
  bundle: true,
  write: false,
  format: "iife",
  globalName: "scenarios",
  define: { global: "globalThis" },
});
const page = `<!doctype html><meta charset="utf-8"><script>${bundle.outputFiles[0].text}</script>`;
const server = createServer((request, response) => {
  response.writeHead(request.url === "/" ? 200 : 404, { "Content-Type": "text/html" });
  response.end(request.url === "/" ? page : "");
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? (await Chromium.executablePath()),
  args: Chromium.args,
});
try {
  const seen = {};
  for (const [scenario, config] of Object.entries(configs)) {
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${server.address().port}/`);
    seen[scenario] = await tab.evaluate(
      ([name, given]) => globalThis.scenarios[name](given),
      [scenario, config],
    );
  }
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
  server.close();
}
