// `promptctl review --web`, as a person with a keyboard uses it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { accessible, fits, launch, watched } from "./browser.mjs";
import { binary, copy, promptctl, remove, sample, snapshots } from "./sample.mjs";

const folder = sample();
const other = copy(folder);
const before = snapshots(folder);
const served = spawn(binary, ["review", "--web"], { cwd: folder, env: { PATH: process.env.PATH }, stdio: ["ignore", "pipe", "inherit"] });
const lines = createInterface({ input: served.stdout })[Symbol.asyncIterator]();
const ended = new Promise((resolve) => served.on("exit", resolve));
const browser = await launch();
try {
  const address = (await lines.next()).value;
  const { page, context, bad } = await watched(browser, address);
  const status = page.locator("#status");
  const title = page.locator("#title");
  // What has been said last: the page tells of everything that it did.
  const says = (text) => status.filter({ hasText: text }).waitFor({ timeout: 10_000 });
  const press = async (key, text) => { await page.keyboard.press(key); await says(text); };

  console.log("review in Chromium");
  const reply = await page.goto(address);
  assert.equal(reply.status(), 200);
  await title.waitFor();
  assert.equal(await title.textContent(), "support/refund › no legal advice › scripted", "what fails comes first");
  assert.match(await page.locator(".notice.bad").textContent(), /not-contains/);
  assert.equal(await page.locator("button.row").count(), 9);

  // Keys do nothing in a field, and nothing with a modifier.
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Alt+r");
  await page.keyboard.press("/");
  await page.keyboard.type("ararsu");
  await says("0 answers match");
  assert.deepEqual(snapshots(folder), before, "typing decides nothing");
  await page.locator("#filter-text").fill("kettle");
  await says("1 answer matches");
  assert.equal(await page.locator("button.row").count(), 1);
  await page.locator("#filter-text").fill("");
  await says("9 answers match");
  await page.keyboard.press("Escape");

  // What fails is not accepted without a reason, nor with others.
  await page.locator("button.row", { hasText: "no legal advice" }).click();
  await says("no legal advice");
  await press("A", "accepted alone only");
  await press("a", "say why");
  await page.keyboard.press("Escape");
  await press("s", "skipped");

  await page.locator("button.row", { hasText: "lamp after ten days" }).click();
  await says("lamp");
  await page.locator("button.row", { hasText: "no legal advice" }).scrollIntoViewIfNeeded();
  await page.screenshot({ path: join(process.env.IMAGES, "review.png") });

  // The hostile one is text, and its hidden characters are seen.
  await page.locator("button.row", { hasText: "quote" }).click();
  await says("quote");
  assert.equal(await page.locator("#answer img").count(), 0);
  assert.ok((await page.locator("#answer .hidden").allTextContents()).some((text) => text.includes("\\u{202e}")));
  assert.match(await page.locator("#answer").textContent(), /<\/script><img src=x onerror=alert\(1\)>/);
  assert.ok(!(await page.content()).includes("\u202e"), "nothing hides in the page");

  // A whole group, undone; then one accepted and another rejected.
  await page.selectOption("#filter-prompt", "support/refund");
  await page.locator("button.row", { hasText: "clean kettle" }).click();
  await says("clean kettle");
  await press("A", "accepted 3");
  await press("u", "undone");
  assert.deepEqual(snapshots(folder), before, "undone byte for byte");
  await page.locator("button.row", { hasText: "clean kettle" }).click();
  await says("clean kettle");
  await press("a", "accepted: support/refund › clean kettle");
  await page.locator("button.row", { hasText: "used item" }).click();
  await says("used item");
  await press("r", "rejected: support/refund › used item");
  await press("u", "undone");
  await press("r", "rejected: support/refund › used item");
  await page.selectOption("#filter-prompt", "");

  // A window that looked at something else first: it reloads, and nothing is accepted unseen.
  promptctl(folder, "accept", "--case", "a gift");
  promptctl(other, "accept", "--case", "a gift");
  await page.locator("button.row", { hasText: "a gift" }).click();
  await says("a gift");
  await press("r", "changed on the disk");

  // How it looks, to eyes and to screen readers.
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [name, key] of [["lamp after ten days", "v"], ["site is down", undefined], ["no legal advice", "v"], ["second parcel", undefined]]) {
      await page.locator("button.row", { hasText: name }).click();
      await says(name);
      if (key) await page.keyboard.press(key);
      await accessible(page, `${name}, ${colorScheme}`);
    }
    await page.keyboard.press("?");
    await page.locator("dialog[open]").waitFor();
    await accessible(page, `keys, ${colorScheme}`);
    await page.keyboard.press("a");
    assert.equal(await page.locator("dialog[open]").count(), 1, "keys rest while they are explained");
    await page.keyboard.press("Escape");
  }
  await fits(page, 320, "a small screen");
  await accessible(page, "320 px");
  await page.setViewportSize({ width: 1280, height: 800 });
  if (process.env.MORE) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.locator("button.row", { hasText: "no legal advice" }).click();
    await says("no legal");
    await page.screenshot({ path: join(process.env.MORE, "failing.png") });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.locator("button.row", { hasText: "used item" }).click();
    await says("used item");
    await page.keyboard.press("v");
    await page.screenshot({ path: join(process.env.MORE, "dark.png") });
    await page.locator("button.row", { hasText: "site is down" }).click();
    await says("site is down");
    await page.screenshot({ path: join(process.env.MORE, "json.png") });
    await page.locator("button.row", { hasText: "quote" }).click();
    await says("quote");
    await page.screenshot({ path: join(process.env.MORE, "hostile.png") });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.screenshot({ path: join(process.env.MORE, "small.png"), fullPage: true });
    await page.setViewportSize({ width: 1280, height: 800 });
  }

  // The failing one with a reason; then the end.
  await page.locator("button.row", { hasText: "no legal advice" }).click();
  await says("no legal advice");
  await press("a", "say why");
  await page.keyboard.type("the lawyer is gone");
  await page.keyboard.press("Enter");
  await says("accepted: support/refund › no legal advice");
  await page.locator("#finish").click();
  await says("the review has ended");
  assert.equal(await ended, 5, "the rest still waits");
  assert.deepEqual(bad.filter((text) => !/status of (409|422)/.test(text)), []);
  await context.close();

  for (const args of [
    ["accept", "--case", "clean kettle"], ["reject", "--case", "used item"],
    ["accept", "--case", "no legal advice", "--failing", "--reason", "the lawyer is gone"],
  ]) assert.equal(promptctl(other, ...args).code, 0, args.join(" "));
  assert.deepEqual(snapshots(folder), snapshots(other), "the page writes what the commands write");
  const size = statSync(join(process.env.IMAGES, "review.png")).size;
  assert.ok(size < 150_000, `the picture has ${size} bytes`);
  console.log("  the page wrote what the commands write; no console error, no request to elsewhere");
} finally {
  await browser.close();
  served.kill();
  remove(folder);
  remove(other);
}
