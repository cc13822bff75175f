// A run: its rows, and what is behind each.
(async () => {
  const { el, data } = page;
  const { badge, facts, number } = list;
  const { prompts, models, tags, verdicts } = data();
  const FLAKY = 1;
  const HELD = 2;
  const UNDECIDED = 4;

  const time = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);
  const money = (usd) => `$${usd >= 1 ? usd.toFixed(2) : usd >= 0.01 || usd <= 0 ? usd.toFixed(4) : usd.toFixed(Math.min(13, Math.ceil(-Math.log10(usd)) + 1))}`;

  const rows = (await list.unpack("index")).map((line) => {
    const [prompt, model, name, verdict, marks, own, input, output, cost, ms, why, rank, chunk, at] = JSON.parse(line);
    const [word, kind] = verdicts[verdict];
    const also = [marks & FLAKY && "flaky", marks & HELD && "in quarantine", marks & UNDECIDED && "undecided"].filter(Boolean);
    return {
      prompt: prompts[prompt], model: models[model], name, word, kind, also, tags: own.map((tag) => tags[tag]),
      input, output, cost, ms, why, rank, chunk, line: at, id: `${prompts[prompt]}/${name}@${models[model]}`,
      urgent: rank < 10, collapsed: word === "passed" && !(marks & FLAKY), group: prompts[prompt],
    };
  });
  rows.sort((a, b) => a.rank - b.rank);

  const small = (row) => [
    row.input === null && row.output === null ? undefined : `${number((row.input || 0) + (row.output || 0))} tokens`,
    row.cost === null ? undefined : money(row.cost),
    row.ms === null ? undefined : time(row.ms),
  ].filter(Boolean).join(" · ");

  const head = (row) => [
    badge(row.kind, row.word), ...row.also.map((mark) => badge("warn", mark)),
    el("span", { class: "name" }, row.prompt, el("span", { class: "sep" }, " › "), el("strong", {}, row.name)),
    el("span", { class: "model" }, row.model),
    el("span", { class: "small" }, small(row)),
    row.why ? el("span", { class: "why" }, row.why) : undefined,
  ].filter(Boolean);

  // What does not hold, line by line; what holds, in one line.
  function checks(sample) {
    const mark = (holds) => el("span", { class: "mark", "aria-hidden": "true" }, holds ? "✓" : "✗");
    const missed = sample.checks.filter(([, holds]) => !holds);
    const held = sample.checks.filter(([, holds]) => holds);
    return [
      sample.reason ? el("li", { class: "bad" }, mark(false), sample.reason) : undefined,
      ...missed.map(([name, , why]) => el("li", { class: "bad" }, mark(false), el("span", { class: "unseen" }, "does not hold: "), el("code", {}, name), ` ${why}`)),
      held.length ? el("li", { class: "good" }, mark(true), `${held.length === 1 ? "holds" : `${held.length} hold`}: `,
        held.map(([name, , why], at) => [at ? ", " : "", el("code", { title: why || undefined }, name)])) : undefined,
    ].filter(Boolean);
  }

  function answer(sample) {
    const parts = [];
    if (sample.same_as !== undefined) parts.push(el("p", { class: "quiet" }, `The same answer as sample ${sample.same_as}.`));
    if (sample.answer) {
      const box = el("div", { class: "answer" }, difference.answer(sample.answer));
      if (sample.left_out) box.append(el("p", { class: "note" }, `… and ${number(sample.left_out)} more characters, left out of this page`));
      parts.push(box);
    }
    if (sample.calls) parts.push(el("h3", {}, "Calls of tools"), el("div", { class: "answer" }, difference.answer(sample.calls)));
    return parts;
  }

  function sample(one, several, differs) {
    const held = checks(one);
    const whole = answer(one);
    const text = differs && !several
      ? el("details", {}, el("summary", {}, "The whole answer"), whole)
      : whole;
    return el("div", { class: several ? "sample several" : "sample" },
      several ? el("h3", {}, `Sample ${one.number} `, badge(one.verdict === "passed" ? "good" : "bad", one.verdict)) : undefined,
      held.length ? el("ul", { class: "checks" }, held) : undefined,
      whole.length ? text : undefined,
      several && one.facts.length ? facts(one.facts) : undefined);
  }

  // Several samples: those that did not pass first; many of them behind a button.
  function samples(all, differs) {
    if (all.length < 2) return all.map((one) => sample(one, false, differs));
    const sorted = [...all].sort((a, b) => (a.verdict === "passed") - (b.verdict === "passed"));
    const host = el("div", { class: "samples" }, sorted.slice(0, 10).map((one) => sample(one, true, differs)));
    if (sorted.length > 10) {
      const rest = el("button", { type: "button", onclick: () => rest.replaceWith(...sorted.slice(10).map((one) => sample(one, true, differs))) },
        `Show ${number(sorted.length - 10)} more samples`);
      host.append(rest);
    }
    return host;
  }

  const names = { request: ["recorded", "now"], answer: ["accepted", "now"] };

  const body = (detail, row, view) => [
    detail.reason && detail.reason !== row.why ? el("p", {}, detail.reason) : undefined,
    detail.quarantine ? el("p", { class: "note" }, `In quarantine ${detail.quarantine}`) : undefined,
    detail.rate ? el("p", {}, detail.rate) : undefined,
    detail.difference ? [
      el("h3", {}, `The ${detail.difference.what} differs`),
      difference.show(detail.difference.shown, view, names[detail.difference.what] || ["before", "now"]),
    ] : undefined,
    samples(detail.samples, detail.difference && detail.difference.what === "answer"),
    facts([
      ...(detail.samples.length === 1 ? detail.samples[0].facts : []),
      detail.place ? ["written in", el("code", {}, detail.place)] : undefined,
      row.tags.length ? ["tags", row.tags.map((tag) => el("span", { class: "tag" }, tag))] : undefined,
      detail.version ? ["version", detail.version] : undefined,
      ["digest", el("code", {}, detail.digest)],
      detail.pending ? ["waits for review in", el("code", {}, detail.pending)] : undefined,
    ].filter(Boolean)),
  ];

  await list.start({
    rows,
    noun: ["case", "cases"],
    facets: [
      { name: "verdict", label: "Verdict", of: (row) => [row.word, ...row.also] },
      { name: "prompt", label: "Prompt", of: (row) => row.prompt },
      { name: "model", label: "Model", of: (row) => row.model },
      { name: "tag", label: "Tag", of: (row) => row.tags },
    ],
    text: (row) => `${row.prompt} ${row.name} ${row.model} ${row.why} ${row.tags.join(" ")}`,
    show: { head, body, group: (name, count, many) => `${count} that passed in ${name}` },
  });
})();
