// Reads assertions as JSON from standard input, runs each with promptfoo's own code, and prints what it says as JSON.
// Node finds promptfoo from the folder that the first argument names.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

// First of all: promptfoo makes standard input one that does not wait.
const asked = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(process.argv[2] + "/package.json");
const { default: promptfoo } = await import(pathToFileURL(require.resolve("promptfoo")));
const log = console.log;
// promptfoo logs to standard output.
console.log = console.info = console.warn = console.error;
const results = [];
for (const { assertion, vars, response, latency } of asked) {
  try {
    const done = await promptfoo.assertions.runAssertion({
      prompt: "p",
      assertion,
      test: { vars, assert: [assertion] },
      providerResponse: response,
      latencyMs: latency ?? undefined,
    });
    results.push({ pass: done.pass, score: done.score, reason: done.reason });
  } catch (error) {
    results.push({ error: String(error.message ?? error) });
  }
}
log(JSON.stringify(results));
process.exit(0);
