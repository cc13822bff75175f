// Chromium with the eyes open: every console error, failed check of the policy and request to elsewhere is kept.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

// A page of which everything bad is remembered; `own` is what every address must begin with.
export async function watched(browser, own, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const bad = [];
  page.on("console", (message) => { if (message.type() === "error") bad.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => bad.push(`error: ${error}`));
  page.on("dialog", (dialog) => { bad.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(own) && !url.startsWith("data:")) bad.push(`request: ${url}`);
  });
  return { page, context, bad };
}

// Serious and critical findings of axe. It is evaluated through the protocol, which the page's policy does not bind.
export async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.html} ${n.failureSummary}`).join(" | ")}`);
  assert.deepEqual(found, [], `axe: ${what}`);
  const minor = violations.filter((v) => !["serious", "critical"].includes(v.impact)).map((v) => `${v.id} (${v.impact})`);
  console.log(`  axe, ${what}: nothing serious${minor.length ? `; ${minor.join(", ")}` : ""}`);
}

// Nothing is wider than the screen.
export async function fits(page, width, what) {
  await page.setViewportSize({ width, height: 640 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `${what}: ${wide} px on a screen of ${width}`);
}
