// `--report html`, of a run and of a comparison: read, filtered and walked by keyboard; in light and dark, on a narrow
// screen and on paper; and with everything in it from somebody who means harm.
import assert from "node:assert/strict";
import { join } from "node:path";
import { accessible, fits, launch, watched } from "./browser.mjs";
import { promptctl, remove } from "./sample.mjs";
import { harmful, shop } from "./shop.mjs";

const browser = await launch();
const folders = [];

async function open(folder, file, options = {}, hash = "") {
  const own = `file://${join(folder, file)}`;
  const watch = await watched(browser, own, options);
  await watch.page.goto(own + hash);
  await watch.page.locator("html[data-ready]").waitFor({ timeout: 20_000 });
  return watch;
}

const shown = (page) => page.locator(".case").count();
const says = (page, text) => page.locator("#status").filter({ hasText: text }).waitFor({ timeout: 10_000 });

try {
  console.log("a run in Chromium");
  const folder = shop();
  folders.push(folder);
  let done = promptctl(folder, "test", "--offline", "--report", "html=run.html");
  assert.equal(done.code, 1, done.stderr);
  let { page, context, bad } = await open(folder, "run.html");
  assert.match(await page.locator("h1").textContent(), /failed, .* changed, .* passed of \d+/);
  assert.equal(await page.locator(".case[data-open]").count(), 3, "the worst three are open");
  assert.ok(await page.locator("svg.plot[role=img]").count() >= 1, "versions are plotted");
  await page.screenshot({ path: join(process.env.IMAGES, "report.png") });

  // Passed cases are counted until somebody asks.
  const before = await shown(page);
  const group = page.locator(".group button").first();
  await group.click();
  assert.ok(await shown(page) > before);

  // A filter lives in the address, and the address is a filter.
  await page.locator("#filter-verdict").selectOption("failed");
  await says(page, " of ");
  assert.match(page.url(), /#.*verdict=failed/);
  const failed = await shown(page);
  await page.locator("#filter-text").fill("teppich");
  await says(page, "1 of ");
  assert.equal(await shown(page), 1);
  assert.match(page.url(), /text=teppich/);
  const again = await open(folder, "run.html", {}, new URL(page.url()).hash);
  assert.equal(await shown(again.page), 1);
  await again.context.close();
  await page.keyboard.press("Escape");
  await page.keyboard.press("c");
  await says(page, "cases");
  assert.ok(await shown(page) > failed);
  // What only an answer says is found.
  await page.locator("#filter-text").fill("label in your account");
  await page.locator(".case").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("#status").textContent.includes("looking"));
  await page.keyboard.press("Escape");
  await page.keyboard.press("c");

  // By keyboard: the next case, open it, its address, two columns and back.
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const title = await page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Enter");
  await page.keyboard.press("k");
  assert.notEqual(await page.evaluate(() => document.activeElement.textContent), title);
  await page.locator(".counts a.changed").click();
  await page.locator(".case .head").first().click();
  await page.locator(".case .diff.inline").first().waitFor();
  await page.keyboard.press("v");
  await page.locator(".case .diff.beside").first().waitFor();
  assert.match(page.url(), /view=beside/);
  const link = await page.locator(".permalink").first().getAttribute("href");
  const linked = await open(folder, "run.html", {}, link);
  assert.equal(await linked.page.locator(".case[data-open]").count(), 1, "a link opens its case");
  assert.ok(await linked.page.evaluate(() => document.activeElement.classList.contains("head")), "and goes there");
  await linked.context.close();
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await accessible(page, "a run, light, keys");
  await page.keyboard.press("Escape");
  await accessible(page, "a run, light");
  await fits(page, 320, "a run");
  await page.setViewportSize({ width: 640, height: 400 });
  await accessible(page, "a run, 640 × 400");
  assert.deepEqual(bad, []);
  await context.close();
  ({ page, context, bad } = await open(folder, "run.html", { colorScheme: "dark" }));
  await accessible(page, "a run, dark");
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("#filters").isVisible(), false);
  assert.equal(await page.locator(".case .head").first().isVisible(), true);
  assert.deepEqual(bad, []);
  await context.close();

  // Without a script.
  ({ page, context, bad } = await watched(browser, "file://", { javaScriptEnabled: false }));
  await page.goto(`file://${join(folder, "run.html")}`);
  assert.ok(await page.locator(".case.plain").count() > 3);
  assert.ok(await page.locator("noscript").count() > 0 && !await page.locator("#filters").isVisible());
  await context.close();

  console.log("a comparison in Chromium");
  done = promptctl(folder, "compare", "--offline", "--report", "html=compare.html");
  assert.equal(done.code, 1, done.stderr);
  ({ page, context, bad } = await open(folder, "compare.html"));
  assert.match(await page.locator("h1").textContent(), /regressed/);
  assert.ok(await page.locator("table svg.forest").count() > 3);
  await page.locator(".change[open] .diff").first().waitFor();
  await page.screenshot({ path: join(process.env.IMAGES, "compare.png") });
  assert.equal(await page.locator(".case").first().locator(".badge").first().textContent(), "lost");
  await page.locator("#filter-verdict").selectOption("won");
  await says(page, " of ");
  assert.equal(await page.locator(".case .badge.bad").count(), 0);
  await page.keyboard.press("v");
  await page.locator(".change .diff.beside").first().waitFor();
  await accessible(page, "a comparison, light");
  await fits(page, 320, "a comparison");
  assert.deepEqual(bad, []);
  await context.close();
  ({ page, context, bad } = await open(folder, "compare.html", { colorScheme: "dark" }));
  await accessible(page, "a comparison, dark");
  assert.deepEqual(bad, []);
  await context.close();

  console.log("what means harm");
  const worst = harmful();
  folders.push(worst);
  promptctl(worst, "test", "--offline", "--report", "html=run.html");
  promptctl(worst, "compare", "--offline", "--report", "html=compare.html");
  for (const file of ["run.html", "compare.html"]) {
    ({ page, context, bad } = await open(worst, file));
    // Everything is opened, filtered and searched.
    const closed = page.locator(".case > .head[aria-expanded=false]");
    while (await closed.count() > 0) await closed.first().click();
    await page.locator(".case .body .difference").first().waitFor();
    await page.keyboard.press("v");
    await page.waitForTimeout(500);
    const opened = await page.evaluate(() => document.body.innerText);
    assert.match(opened, /\\u\{202e\}/);
    assert.match(opened, /more characters/);
    await page.locator("#filter-text").fill("canary");
    await page.waitForFunction(() => !document.querySelector("#status").textContent.includes("looking"));
    await page.locator("#filter-text").fill("");
    await page.waitForTimeout(300);
    await page.locator(".case > .head").first().click();
    const seen = await page.evaluate(() => {
      const hidden = /[\u200b-\u200f\u202a-\u202e\u2066-\u206f\u00ad\ufeff\u0000-\u0008\u000b-\u001f]|\udb40[\udc00-\udc7f]/;
      return { canary: globalThis.canary, hidden: hidden.test(document.body.innerText), made: document.querySelectorAll("main img, main script, main a[href^=javascript], main [onclick], main [onerror]").length };
    });
    assert.deepEqual([seen.canary, seen.hidden, seen.made], [undefined, false, 0], file);
    const begun = Date.now();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    assert.ok(Date.now() - begun < 500, "the page stays quick");
    await accessible(page, `${file} that means harm`);
    await fits(page, 320, file);
    assert.deepEqual(bad, [], file);
    await context.close();
  }
  console.log("done");
} finally {
  await browser.close();
  for (const folder of folders) remove(folder);
}
