// How large the page of a run is, and how soon it shows its first rows, opens a case, filters and finds a word of an
// answer: a table for docs/benchmarks.md. Not among what `scripts/browser` does by itself:
//
//     scripts/browser speed
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { launch, watched } from "./browser.mjs";
import { binary, promptctl, remove } from "./sample.mjs";
import { empty, put } from "./shop.mjs";

const words = readFileSync(new URL(import.meta.url), "utf8").match(/[a-z]{3,}/g);

function project(cases) {
  const folder = empty();
  put(folder, "promptctl.yaml", 'models:\n  m: { provider: mock, price: { input: 1, output: 2 }, replies: [{ say: "{{ last_user_message }}" }] }\n');
  const prompts = 20;
  for (let p = 0; p < prompts; p += 1) {
    put(folder, `prompts/area/p${p}.j2`, "{{ q }}\n");
    let seed = p + 1;
    const next = () => { seed = (seed * 48271) % 2147483647; return seed; };
    const rows = [];
    for (let i = 0; i < cases / prompts; i += 1) {
      const text = Array.from({ length: 120 }, () => words[next() % words.length]).join(" ");
      rows.push(JSON.stringify({ id: `case ${i}`, q: `${text} needle${p}x${i}z`, want: i % 10 === 0 ? "nothing of the kind" : text.slice(0, 9), tag: ["en", "de", "fr"][i % 3] }));
    }
    put(folder, `fixtures/area/p${p}/rows.jsonl`, `${rows.join("\n")}\n`);
    put(folder, `fixtures/area/p${p}/cases.yaml`, 'datasets:\n  - { file: rows.jsonl, name: "{{ id }}", tags: ["{{ tag }}"], vars: { q: "{{ q }}" }, expect: [{ contains: "{{ want }}" }] }\n');
  }
  return folder;
}

const browser = await launch();
const rows = [];
for (const cases of [2000, 20000]) {
  const folder = project(cases);
  const begun = Date.now();
  const done = promptctl(folder, "-q", "test", "--report", "html=page.html", "--report", "json=run.json");
  if (done.code !== 1) throw new Error(`${done.code} ${done.stderr.slice(0, 2000)}`);
  const ran = Date.now() - begun;
  const from = Date.now();
  promptctl(folder, "-q", "merge", "run.json", "--report", "html=again.html");
  const merged = Date.now() - from;
  const file = join(folder, "page.html");
  const times = { paint: [], ready: [], open: [], filter: [], search: [] };
  for (let i = 0; i < 5; i += 1) {
    const { page, context, bad } = await watched(browser, "file://");
    await page.goto(`file://${file}`);
    await page.locator("html[data-ready]").waitFor({ timeout: 60_000 });
    times.ready.push(await page.evaluate(() => Number(document.documentElement.dataset.ready)));
    times.paint.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN));
    const cdp = await context.newCDPSession(page);
    const run = async (act, seen) => {
      const expression = `(async () => { const begun = performance.now(); ${act}; while (!(${seen})) { if (performance.now() - begun > 30000) throw new Error("never seen"); await new Promise((r) => requestAnimationFrame(r)); } return performance.now() - begun; })()`;
      const { result, exceptionDetails } = await cdp.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(`${act}: ${exceptionDetails.exception?.description}`);
      return result.value;
    };
    times.open.push(await run('document.querySelectorAll(".case > .head")[50].click()', 'document.querySelectorAll(".case")[50].querySelector(".body .answer")'));
    times.filter.push(await run('const s = document.querySelector("#filter-tag"); s.value = "de"; s.dispatchEvent(new Event("change"))', 'document.querySelector("#status").textContent.includes(" of ")'));
    await run('document.querySelector("#filter-tag").value = ""; document.querySelector("#filter-tag").dispatchEvent(new Event("change"))', '!document.querySelector("#status").textContent.includes(" of ")');
    times.search.push(await run('const f = document.querySelector("#filter-text"); f.value = "needle3x77z"; f.dispatchEvent(new Event("input"))', 'document.querySelector("#status").textContent.startsWith("1 of ")'));
    if (bad.length) throw new Error(bad.join("\n"));
    await context.close();
  }
  const middle = (list) => Math.round([...list].sort((a, b) => a - b)[2]);
  rows.push([cases, (statSync(file).size / 1e6).toFixed(1), (statSync(join(folder, "run.json")).size / 1e6).toFixed(1), ran, merged, ...Object.values(times).map(middle)]);
  remove(folder);
}
await browser.close();
console.log(`${binary}, the median of five`);
console.log("| cases | page MB | json MB | run ms | merge ms | first paint ms | rows ms | open a case ms | filter ms | search in answers ms |");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
