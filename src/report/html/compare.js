// A comparison: the answers that differ, and what changed in the prompts.
(async () => {
  const { el, data } = page;
  const { badge, facts, number } = list;
  const { names } = data();
  const ways = [["lost", "bad"], ["changed, unjudged", "odd"], ["changed", "warn"], ["won", "good"]];
  const SIDES = ["base", "head"];

  // What changed: unpacked when it is opened.
  let view = "inline";
  const changes = [...document.querySelectorAll("#changes > details")];
  let unpacked;
  const named = (one) => el("h3", {}, el("code", {}, one.name), one.note ? badge("none", one.note) : undefined);
  const differs = (one) => [named(one), one.shown.rows || one.shown.values ? difference.show(one.shown, view, SIDES) : undefined];

  const messages = (one) => el("details", { class: "rendered", open: true },
    el("summary", {}, el("strong", {}, one.name), " ", el("span", { class: "quiet" },
      [one.tokens, one.also.length ? `the same change in ${number(one.also.length + one.also_more)} more: ${one.also.slice(0, 5).join(", ")}${one.also.length > 5 ? ", …" : ""}` : ""].filter(Boolean).join(" · "))),
    one.messages.map(differs));

  async function fill(at) {
    unpacked = unpacked || list.unpack("changed");
    const lines = await unpacked;
    if (!lines[at]) return;
    const change = JSON.parse(lines[at]);
    changes[at].querySelector(".unpacked").replaceChildren(...[
      change.files.map(differs), change.settings.map(differs),
      change.cases.length ? el("h3", {}, "Messages of cases") : undefined, change.cases.map(messages),
      change.more ? el("p", { class: "note" }, `… and ${number(change.more)} more changes of messages`) : undefined,
    ].flat(Infinity).filter(Boolean));
  }

  changes.forEach((details, at) => details.addEventListener("toggle", () => { if (details.open) fill(at); }));
  document.addEventListener("view", (event) => {
    if (view === event.detail) return;
    view = event.detail;
    changes.forEach((details, at) => { if (details.open) fill(at); });
  });
  if (changes.length && !list.asked()) changes[0].open = true;

  const rows = (await list.unpack("index")).map((line) => {
    const [[prompt, model], name, way, tags, passes, why, chunk, at] = JSON.parse(line);
    const [word, kind] = ways[way];
    return {
      prompt: names[prompt], model: names[model], name, word, kind, tags: tags.map((tag) => names[tag]), passes, why, chunk, line: at,
      id: `${names[prompt]}/${name}@${names[model]}`, urgent: way === 0, collapsed: false, group: "",
    };
  });

  const several = (row) => row.passes[1] > 1 || row.passes[3] > 1;
  const rates = (row) => (several(row) ? `${row.passes[0]} of ${row.passes[1]} → ${row.passes[2]} of ${row.passes[3]} pass` : "");

  const head = (row) => [
    badge(row.kind, row.word),
    el("span", { class: "name" }, row.prompt, el("span", { class: "sep" }, " › "), el("strong", {}, row.name)),
    el("span", { class: "model" }, row.model),
    el("span", { class: "small" }, rates(row)),
    row.why ? el("span", { class: "why" }, row.why) : undefined,
  ].filter(Boolean);

  const sample = (one, at) => el("div", { class: "sample several" },
    el("h4", {}, `Sample ${at} `, badge(one.pass ? "good" : "bad", one.pass ? "passes" : "fails")),
    one.same_as !== undefined ? el("p", { class: "quiet" }, `The same answer as sample ${one.same_as}.`)
      : el("div", { class: "answer" }, difference.answer(one.answer), one.left_out ? el("p", { class: "note" }, `… and ${number(one.left_out)} more characters, left out of this page`) : undefined));

  const side = (name, all) => el("div", { class: "side" }, el("h3", {}, `${name}: ${all.filter((one) => one.pass).length} of ${all.length} pass`), all.map(sample));

  const body = (detail, row, how) => [
    detail.failed.length ? el("ul", { class: "checks" }, detail.failed.map((why) => el("li", { class: "bad" }, el("span", { class: "mark", "aria-hidden": "true" }, "✗"), why))) : undefined,
    several(row) ? el("p", { class: "quiet" }, `Sample ${detail.shown[0]} of base beside sample ${detail.shown[1]} of head:`) : undefined,
    detail.difference ? difference.show(detail.difference, how, SIDES) : undefined,
    detail.same ? [el("p", { class: "quiet" }, "Both sides say the same:"), el("div", { class: "answer" }, difference.answer(detail.same))] : undefined,
    detail.calls ? [el("h3", {}, "Calls of tools"), difference.show(detail.calls, how, SIDES)] : undefined,
    detail.left_out ? el("p", { class: "note" }, `${number(detail.left_out)} bytes of these answers are left out.`) : undefined,
    detail.base.length || detail.head.length
      ? el("details", {}, el("summary", {}, "Every sample"), el("div", { class: "sides" }, side("Base", detail.base), side("Head", detail.head)))
      : undefined,
    facts([
      detail.place ? ["written in", el("code", {}, detail.place)] : undefined,
      row.tags.length ? ["tags", row.tags.map((tag) => el("span", { class: "tag" }, tag))] : undefined,
    ].filter(Boolean)),
  ];

  await list.start({
    rows,
    noun: ["answer", "answers"],
    facets: [
      { name: "verdict", label: "Verdict", of: (row) => row.word },
      { name: "prompt", label: "Prompt", of: (row) => row.prompt },
      { name: "model", label: "Model", of: (row) => row.model },
      { name: "tag", label: "Tag", of: (row) => row.tags },
    ],
    text: (row) => `${row.prompt} ${row.name} ${row.model} ${row.why} ${row.tags.join(" ")}`,
    show: { head, body, group: () => "" },
  });
})();
