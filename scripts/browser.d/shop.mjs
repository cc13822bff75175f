// A shop's prompts with a past and an edit that nobody committed: answers that got worse, better and other ones, on two
// models; and a project that means harm.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HOSTILE, promptctl } from "./sample.mjs";

const who = { GIT_AUTHOR_NAME: "you", GIT_AUTHOR_EMAIL: "you@example.com", GIT_COMMITTER_NAME: "you", GIT_COMMITTER_EMAIL: "you@example.com", GIT_CONFIG_GLOBAL: "/dev/null" };

export function put(folder, path, text) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

export const empty = () => {
  const folder = join(mkdtempSync(join(tmpdir(), "promptctl-browser-")), "shop");
  mkdirSync(folder);
  return folder;
};

const yaml = (value) => JSON.stringify(value);

function git(folder, day, ...args) {
  const date = `2026-${day}T09:00:00Z`;
  const done = spawnSync("git", args, { cwd: folder, env: { PATH: process.env.PATH, ...who, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date } });
  if (done.status !== 0) throw new Error(`git ${args}: ${done.stderr}`);
}

const goods = ["a lamp", "a kettle", "running shoes", "a jacket", "a phone", "a chair", "headphones", "a rug"];
const german = ["eine Lampe", "einen Kessel", "Schuhe", "eine Jacke", "ein Telefon", "einen Stuhl", "Kopfhörer", "einen Teppich"];

const models = `models:
  small: { provider: mock, price: { input: 0.40, output: 1.60 }, latency: 2ms, replies: &replies
    [{ when: "(?i)zurück", say: "{{ 'Within 14 days you get the full price back.' if 'Be brief' in system else 'Gern! Innerhalb von 14 Tagen erhalten Sie den vollen Preis zurück. Schreiben Sie uns dazu Ihre Bestellnummer.' }}" },
     { when: "(?i)used", say: "{{ 'Used items: 20% less, within 14 days.' if 'Be brief' in system or 'kind' in system else 'Used items are refused.' }}" },
     { when: "(?i)return", say: "{{ 'Yes, within 14 days, for the full price.' if 'Be brief' in system else 'Good news: you can send it back within 14 days, and we refund the full price. There is a label in your account.' }}" },
     { when: "(?i)down|stolen|twice", say: '{"queue": "{{ ''billing'' if ''twice'' in last_user_message else ''technical'' }}", "urgent": true}' },
     { when: "(?i)^ticket", say: '{"queue": "shipping", "urgent": false}' },
     { say: "{{ 'It takes 3 days.' if 'Be brief' in system else 'A parcel takes 3 days. You get its number by mail when it leaves our house.' }}" }] }
  large: { provider: mock, price: { input: 2.00, output: 8.00 }, latency: 9ms, replies:
    [{ when: "(?i)zurück", say: "Innerhalb von 14 Tagen erhalten Sie den vollen Preis zurück." },
     { when: "(?i)used", say: "Used items can be returned within 14 days, for 20% less." },
     { when: "(?i)return", say: "You can return it within 14 days and get the full price back." },
     { say: "It takes 3 days until a parcel is with you." }] }
defaults: { models: [small] }
`.replace("&replies\n", "\n");

const refund = (version, style) => `---
version: ${version}
description: Answers whether something can be returned
models: [small, large]
vars: { question: string }
---
{{ role("system") }}
You are a support agent of a small shop. ${style}
Answer from the policy only, in the language of the question:
- Within 14 days the full price is refunded.
- Used items are taken back for 20% less.
{{ role("user") }}
{{ question }}
`;

const cases = (list) => `defaults: { snapshot: none }\ncases:\n${list.map((one) => `  - ${yaml(one)}`).join("\n")}\n`;

export function shop() {
  const folder = empty();
  put(folder, "promptctl.yaml", models);
  put(folder, ".gitignore", ".promptctl/\n*.snap.new\n");
  put(folder, "prompts/support/shipping.j2", '---\nversion: 1.0.3\nvars: { question: string }\n---\n{{ role("system") }}\nYou answer questions on parcels.\n{{ role("user") }}\n{{ question }}\n');
  put(folder, "prompts/triage.j2", '---\nversion: 2.0.0\nvars: { ticket: string }\n---\n{{ role("system") }}\nSort the ticket into a queue. Answer with JSON.\n{{ role("user") }}\nTicket: {{ ticket }}\n');
  put(folder, "fixtures/support/refund/cases.yaml", cases([
    ...goods.map((what) => ({ name: `return ${what}`, vars: { question: `I bought ${what} last week. May I return it?` }, expect: [{ contains: "14 days" }, { contains: "full price" }, { "not-contains": "As an AI" }], tags: ["en"], ...(what === "a lamp" || what === "a phone" ? { snapshot: "text" } : {}) })),
    ...german.map((what) => ({ name: `${what} zurückgeben`, vars: { question: `Ich habe letzte Woche ${what} gekauft. Kann ich das zurückgeben?` }, expect: [{ contains: "14 Tagen" }, { contains: "vollen Preis" }], tags: ["de"] })),
    ...["shoes", "coat"].map((what) => ({ name: `used ${what}`, vars: { question: `My ${what} is used, I wore it twice.` }, expect: [{ contains: "20%" }], tags: ["en", "used"] })),
  ]));
  put(folder, "fixtures/support/shipping/cases.yaml", cases(goods.map((what) => ({ name: `parcel with ${what}`, vars: { question: `When does ${what} arrive?` }, expect: [{ contains: "3 days" }], tags: ["en"] }))));
  const ticket = (name, text, queue, urgent) => ({ name, vars: { ticket: text }, expect: [{ "json-path": { path: "$.queue", equals: queue } }, { "json-path": { path: "$.urgent", equals: urgent } }], tags: [urgent ? "urgent" : "calm"] });
  put(folder, "fixtures/triage/cases.yaml", cases([
    ticket("site is down", "The site is down", "technical", true), ticket("account stolen", "My account was stolen", "technical", true),
    ticket("charged twice", "I was charged twice", "billing", true), ticket("where is my parcel", "Where is it?", "shipping", false),
    ticket("broken glass", "It arrived broken", "shipping", false),
  ]));
  git(folder, "09-01", "init", "-q", "-b", "main");
  const versions = [
    ["1.0.0", "Be brief.", "09-01", "Answer refunds"], ["1.1.0", "Be polite.", "09-20", "Answer politely"],
    ["1.2.0", "Be kind and polite.", "10-04", "Be kind"], ["1.2.1", "Be kind, polite and exact.", "10-18", "Be exact"],
    ["2.0.0", "Be polite and exact; never promise more than the policy.", "11-02", "Promise nothing beyond the policy"],
  ];
  for (const [version, style, day, message] of versions) {
    put(folder, "prompts/support/refund.j2", refund(version, style));
    promptctl(folder, "test", "--snapshots", "accept");
    git(folder, day, "add", "-A");
    git(folder, day, "commit", "-q", "-m", message);
  }
  put(folder, "prompts/support/refund.j2", refund("2.1.0", "Be brief; never promise more than the policy."));
  promptctl(folder, "test");
  return folder;
}

// Everything in it comes from somebody who wants to be run, fetched, hidden or taken for something else.
export function harmful() {
  const folder = empty();
  const fetches = "<script>globalThis.canary=1</script><img src=https://example.invalid/x onerror=globalThis.canary=1><svg onload=globalThis.canary=1><a href=javascript:globalThis.canary=1>x</a>";
  const texts = [HOSTILE.replace("alert(1)", "globalThis.canary=1"), fetches, "</script></style></title></textarea>-->]]>", "\\ud800 \\udfff \ufffe\uffff \u2028\u2029", "javascript:globalThis.canary=1", "\u202e\u2066abc\u200b\u00ad\ufeff\u{e0041}", "__proto__ constructor toString", `${"x".repeat(10_000_000)}END`];
  const escaped = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const replies = texts.map((say, i) => ({ when: `^${i}$`, say: say.replaceAll("{{", "{{ '{{' }}").replaceAll("{%", "{{ '{%' }}") }));
  const named = (text, i) => `${i} ${[...text].filter((c) => !/[\p{C}\u2028\u2029\u00ad]/u.test(c)).join("").slice(0, 150)}`.trim();
  const list = texts.map((text, i) => ({ name: named(text, i), vars: { q: String(i) }, tags: ["<b onclick=globalThis.canary=1>", "\"'`"], expect: [{ contains: `never ${text.slice(0, 500).replaceAll("{{", "{{ '{{' }}")}` }], snapshot: "none", ...(i < 2 ? { repeat: 2 } : {}) }));
  list.push({ name: "__proto__", vars: { q: "6" }, expect: [{ contains: "toString" }], snapshot: "none", tags: ["__proto__"] });
  put(folder, "promptctl.yaml", escaped({ models: { "m": { provider: "mock", replies: replies.map((one, i) => ({ ...one, say: `${i < 7 ? "never" : "other"} ${one.say}` })) } } }));
  put(folder, "prompts/GH-1 &amp;' ü__b.j2", "{{ q }}\n");
  put(folder, "fixtures/GH-1 &amp;' ü__b/cases.yaml", escaped({ cases: list }));
  git(folder, "09-01", "init", "-q", "-b", "main");
  promptctl(folder, "test");
  git(folder, "09-01", "add", "-A");
  git(folder, "09-01", "commit", "-q", "-m", "<script>globalThis.canary=1</script>\u202e");
  put(folder, "promptctl.yaml", escaped({ models: { "m": { provider: "mock", replies } } }));
  put(folder, "prompts/GH-1 &amp;' ü__b.j2", "{{ q }}\n{# </script><script>globalThis.canary=1</script> #}");
  promptctl(folder, "test", "--refresh");
  return folder;
}
