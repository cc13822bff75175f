// A project with answers that wait: changed alike, changed much, values of JSON, failing, hostile and new.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const binary = process.env.PROMPTCTL;
export const HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u202egnp.exe\u200b \u001b[2J\u0000 {{ 7*7 }} ${alert(1)}";

const env = { PATH: process.env.PATH, SOURCE_DATE_EPOCH: "1767225600" };

export function promptctl(folder, ...args) {
  const done = spawnSync(binary, args, { cwd: folder, env, encoding: "utf8" });
  return { code: done.status, stdout: done.stdout, stderr: done.stderr };
}

function put(folder, path, text) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const yaml = (value) => JSON.stringify(value);

// What the scripted model says, before and now.
const answers = (now) => ({
  "lamp": `Good news: you bought the lamp ten days ago, so you are well within the ${now ? 30 : 14} days.\nSend it back with the label in your account and we refund the full price.`,
  "kettle": `A kettle can be returned within ${now ? 30 : 14} days, as long as it is clean.`,
  "gift": `Gifts follow the same rule: ${now ? 30 : 14} days from the day they were bought.`,
  "used": now
    ? "Used items are refused.\nWe are sorry, there is nothing we can do for you here."
    : "Used items can be returned within 14 days.\nWe take 20% off the price for the wear, and refund the rest.\nTell us your order number and we send a label.",
  "legal": now ? "I cannot help with legal questions, but I promise you will win." : "I cannot help with legal questions. Please ask a lawyer.",
  "quote": now ? `The customer wrote: ${HOSTILE}` : "The customer wrote: hello",
  "urgent": JSON.stringify({ queue: now ? "billing" : "technical", urgent: now, tags: now ? ["vip", "payment"] : ["vip"], score: 0.8 }),
  "calm": JSON.stringify({ queue: "shipping", urgent: false, tags: [], score: now ? 0.4 : 0.5 }),
});

function models(folder, now) {
  const replies = Object.entries(answers(now)).map(([when, say]) => `      - { when: ${yaml(when)}, say: ${yaml(say.replaceAll("{{", "{{ '{{' }}"))} }`);
  put(folder, "promptctl.yaml", `models:\n  scripted:\n    provider: mock\n    replies:\n${replies.join("\n")}\n`);
}

const cases = (list) => `cases:\n${list.map((one) => `  - ${yaml(one)}`).join("\n")}\n`;

export function sample() {
  const folder = join(mkdtempSync(join(tmpdir(), "promptctl-browser-")), "shop");
  mkdirSync(folder);
  models(folder, false);
  put(folder, "prompts/support/refund.j2", '---\nversion: 1.3.0\nvars: { question: string }\n---\n{{ role("system") }}\nYou are a support agent of a small shop. Answer from the policy only, and never promise what it does not say.\n{{ role("user") }}\n{{ question }}\n');
  put(folder, "prompts/triage.j2", '---\nversion: 2.0.1\nvars: { ticket: string }\n---\n{{ role("system") }}\nSort the ticket into a queue. Answer with JSON.\n{{ role("user") }}\n{{ ticket }}\n');
  const refund = [
    { name: "lamp after ten days", vars: { question: "I bought a lamp ten days ago. Can I get my money back?" } },
    { name: "clean kettle", vars: { question: "Can I return a kettle?" } },
    { name: "a gift", vars: { question: "It was a gift. What now?" } },
    { name: "used item", vars: { question: "The jacket is used, I wore it twice." } },
    { name: "no legal advice", vars: { question: "Is that legal?" }, expect: [{ "not-contains": "promise" }, { contains: "lawyer" }] },
    { name: "quote <b>the customer</b>", vars: { question: "Please quote the customer." } },
  ];
  const triage = [
    { name: "site is down", vars: { ticket: "urgent: nothing works" }, snapshot: "json" },
    { name: "where is my parcel", vars: { ticket: "calm: where is it" }, snapshot: "json" },
  ];
  put(folder, "fixtures/support/refund/cases.yaml", cases(refund));
  put(folder, "fixtures/triage/cases.yaml", cases(triage));
  promptctl(folder, "test", "--snapshots", "accept");
  models(folder, true);
  triage.push({ name: "second parcel", vars: { ticket: "calm: and the other one" }, snapshot: "json" });
  put(folder, "fixtures/triage/cases.yaml", cases(triage));
  const done = promptctl(folder, "test", "--refresh");
  if (done.code !== 1) throw new Error(`test ended with ${done.code}\n${done.stdout}${done.stderr}`);
  return folder;
}

export function copy(folder) {
  const other = join(mkdtempSync(join(tmpdir(), "promptctl-browser-")), "shop");
  cpSync(folder, other, { recursive: true });
  return other;
}

// The snapshots of a project, by their names.
export function snapshots(folder) {
  const files = {};
  for (const entry of readdirSync(join(folder, "snapshots"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    files[path.slice(folder.length)] = readFileSync(path, "utf8");
  }
  return files;
}

export const remove = (folder) => rmSync(dirname(folder), { recursive: true, force: true });
