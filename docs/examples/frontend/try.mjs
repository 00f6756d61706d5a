// node try.mjs <frontend.json> <photo>: plays the page in Chromium, on another origin than the API,
// as docs/frontend.md describes it; prints what was seen, as JSON.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import Chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const LIMIT_MS = 200_000;
const [config, photo] = process.argv.slice(2);
const { cognitoEndpoint, userPoolClientId, confirmationCode } = JSON.parse(config);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const account = { email: `guide.${Date.now()}@example.com`, password: "guide-password-1" };

const bundle = await build({
  entryPoints: [here("src/main.ts")],
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  define: { global: "globalThis" },
  alias: { "@darkroom/client": here("../../../clients/typescript/src/index.ts") },
});
const files = {
  "/": ["text/html", await readFile(here("index.html"))],
  "/src/main.ts": ["text/javascript", bundle.outputFiles[0].contents],
  "/frontend.json": ["application/json", config],
};
const server = createServer(({ url }, response) => {
  const [type, body] = files[url] ?? ["text/plain", ""];
  response.writeHead(url in files ? 200 : 404, { "Content-Type": type }).end(body);
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

await cognito("SignUp", {
  Password: account.password,
  UserAttributes: [{ Name: "email", Value: account.email }],
});
await cognito("ConfirmSignUp", { ConfirmationCode: confirmationCode });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? (await Chromium.executablePath()),
  args: Chromium.args,
});
const complaints = [];
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(LIMIT_MS);
  page.on("pageerror", (error) => complaints.push(String(error)));
  const streams = [];
  page.on(
    "request",
    (request) => request.url().includes("/api/jobs/stream?") && streams.push(request),
  );
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const press = (name) => page.getByRole("button", { name }).first().click();
  const says = (text) => page.locator("p", { hasText: text }).waitFor();

  await page.fill("#email", account.email);
  await page.fill("#password", account.password);
  await press("Sign in");
  await says("DONE");
  await page.setInputFiles("#photos", photo);
  await press("What does a story cost?");
  await says("You have 5 credits");
  await press("Make it for 2 credits");
  await page.locator("video").first().waitFor();
  await press("Make clip 2 again");
  await page.locator("video").nth(1).waitFor();
  await page.waitForFunction(() =>
    [...document.querySelectorAll("video")].every((v) => v.duration > 1),
  );
  await press("Share");
  await says("/s/");
  console.log(
    JSON.stringify({
      films: await page.locator("video").count(),
      link: await page.locator("p").textContent(),
      streams: streams.length,
      complaints,
    }),
  );
} finally {
  await browser.close();
  server.close();
}

async function cognito(call, body) {
  const response = await fetch(cognitoEndpoint, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.1",
      "X-Amz-Target": `AWSCognitoIdentityProviderService.${call}`,
    },
    body: JSON.stringify({ ClientId: userPoolClientId, Username: account.email, ...body }),
  });
  if (!response.ok) throw new Error(`${call}: ${await response.text()}`);
}
