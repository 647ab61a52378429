// Uses the page of examples/browser as a person would, and tells what the log shows.
//
//     node page.mjs URL SCREENSHOT

import { openChromium } from "./chromium.mjs";

const [url, screenshot] = process.argv.slice(2);
const { context, close } = await openChromium();
try {
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.setViewportSize({ width: 900, height: 760 });
  await page.goto(url);
  const lines = (number) =>
    page.waitForFunction((n) => document.querySelectorAll("#log li").length >= n, number);

  await page.waitForSelector("#toggle:enabled", { timeout: 90_000 });
  await page.click("#toggle");
  await lines(2); // open, welcome
  await page.click("#text");
  await lines(4);
  await page.fill("#message", "Grüße <b>an</b> alle, 世界 🙂");
  await page.press("#message", "Enter");
  await lines(6);
  await page.click("#binary");
  await lines(8);
  await page.click("#toggle");
  await lines(9);
  await page.fill("#url", "ws://127.0.0.1:1/nobody");
  await page.press("#url", "Enter");
  await lines(10);
  await page.waitForSelector("#toggle:enabled");
  await page.screenshot({ path: screenshot });
  const log = await page.$$eval("#log li", (rows) =>
    rows.map((row) => [...row.children].slice(1).map((cell) => cell.textContent)));
  const status = await page.textContent("#status");
  process.stdout.write(JSON.stringify({ status, log, errors }));
} finally {
  await close();
}
