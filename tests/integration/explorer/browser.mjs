// node browser.mjs <base URL> <token> <folder for pictures>: opens /docs in Chromium, dark and light,
// filters the list of operations, tries one with the token; prints what was seen, as JSON.

import Chromium from "@sparticuz/chromium";
import { chromium } from "playwright-core";

const [base, token, folder] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? (await Chromium.executablePath()),
  args: Chromium.args,
});
const seen = { problems: [], origins: [] };

async function open(colorScheme) {
  const tab = await browser.newPage({ colorScheme, viewport: { width: 1280, height: 900 } });
  tab.setDefaultTimeout(90_000);
  tab.on("console", (message) => {
    if (message.type() === "error") seen.problems.push(message.text());
  });
  tab.on("pageerror", (error) => seen.problems.push(String(error)));
  tab.on("request", (request) => seen.origins.push(new URL(request.url()).origin));
  await tab.goto(`${base}/docs`);
  await tab.locator(".nav-bar-path:visible", { hasText: "Confirm a job" }).first().waitFor();
  await tab.screenshot({ path: `${folder}/${colorScheme}.png` });
  return tab;
}

try {
  const dark = await open("dark");
  seen.darkTheme = await dark.locator("rapi-doc").getAttribute("theme");

  const tab = await open("light");
  seen.tags = await tab.locator(".nav-bar-tag").allInnerTexts();
  await tab.locator("#nav-bar-search").fill("wallet");
  await tab.locator("#nav-bar-search").press("Enter");
  await tab.locator(".nav-bar-path:visible", { hasText: "Get the wallet" }).waitFor();
  await tab.locator(".nav-bar-path:visible", { hasText: "Confirm a job" }).waitFor({ state: "hidden" });

  await tab.locator(".nav-bar-info", { hasText: "Authentication" }).click();
  await tab.locator("input.api-key-input, input[id$=api-key-input]").first().fill(token);
  await tab.getByRole("button", { name: /^(set|update)$/i }).first().click();
  await tab.locator(".nav-bar-path:visible", { hasText: "Get the wallet" }).click();
  const response = tab.waitForResponse((each) => new URL(each.url()).pathname === "/api/credits");
  await tab.getByRole("button", { name: /^try$/i }).first().click();
  seen.tried = (await response).status();
  await tab.getByText('"balance"').first().waitFor();
  await tab.screenshot({ path: `${folder}/tried.png` });
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
