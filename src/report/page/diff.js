// Shows what `difference.rs` makes of two texts: in one column, or both beside each other.
const difference = (() => {
  const { el, counted } = page;
  const CONTEXT = 2;
  const FOLD = 4;

  const pieces = (list) => (list || []).map((piece) => {
    if (!piece.changed && !piece.hidden) return piece.text;
    const name = [piece.changed && "changed", piece.hidden && "hidden"].filter(Boolean).join(" ");
    return el("span", { class: name, title: piece.hidden ? "an invisible character" : undefined }, piece.text);
  });

  const content = (row) => [
    ...pieces(row.pieces),
    row.cut ? el("span", { class: "cut" }, ` … ${counted(row.cut, "more character", "more characters")}`) : undefined,
  ];

  const signs = { removed: ["−", "before: "], added: ["+", "now: "], same: ["", ""] };

  // The sign of a row is seen, its word is heard.
  const sign = (kind) => [
    el("span", { class: "sign", "aria-hidden": "true" }, signs[kind][0]),
    signs[kind][1] ? el("span", { class: "unseen" }, signs[kind][1]) : undefined,
  ];

  // Long stretches of rows that stand in both become one that can be opened.
  function folded(rows) {
    const parts = [];
    let run = [];
    const flush = (last) => {
      const head = parts.length === 0 ? 0 : CONTEXT;
      const tail = last ? 0 : CONTEXT;
      if (run.length > head + tail + FOLD) {
        parts.push(...run.slice(0, head), { is: "fold", rows: run.slice(head, run.length - tail) }, ...run.slice(run.length - tail));
      } else parts.push(...run);
      run = [];
    };
    for (const row of rows) {
      if (row.is === "same") run.push(row);
      else { flush(false); parts.push(row); }
    }
    flush(true);
    return rows.some((row) => row.is !== "same") ? parts : rows;
  }

  const isMarked = (row) => (row.pieces || []).some((piece) => piece.changed);

  // Pairs of rows: a removed one beside the added one that it became.
  function pairs(rows) {
    const found = [];
    let gone = [];
    let come = [];
    const flush = () => {
      for (let i = 0; i < Math.max(gone.length, come.length); i += 1) found.push([gone[i], come[i]]);
      gone = [];
      come = [];
    };
    rows.forEach((row, i) => {
      if (row.is === "removed") {
        const next = rows[i + 1];
        if (next && next.is === "added" && (isMarked(row) || isMarked(next))) flush();
        gone.push(row);
      } else if (row.is === "added") {
        come.push(row);
        if (isMarked(row)) flush();
      } else {
        flush();
        found.push([row, row]);
      }
    });
    flush();
    return found;
  }

  const skipped = (count) => `${counted(count, "line", "lines")} the same`;

  function inline(rows) {
    const list = el("ol", { class: "diff inline" });
    const item = (row) => {
      if (row.is === "skipped") return el("li", { class: "skipped" }, skipped(row.count));
      if (row.is === "fold") {
        const fold = el("li", { class: "skipped" });
        fold.append(el("button", { type: "button", class: "link", onclick: () => fold.replaceWith(...row.rows.map(item)) }, `Show ${skipped(row.rows.length)}`));
        return fold;
      }
      return el("li", { class: row.is }, sign(row.is), el("span", { class: "text" }, content(row)));
    };
    list.append(...folded(rows).map(item));
    return list;
  }

  function beside(rows, names) {
    const cell = (row) => row
      ? el("td", { class: row.is }, el("div", { class: "line" }, sign(row.is), el("span", { class: "text" }, content(row))))
      : el("td", { class: "none" });
    const line = ([old, now]) => {
      if (old && old.is === "skipped") return el("tr", { class: "skipped" }, el("td", { colspan: 2 }, skipped(old.count)));
      if (old && old.is === "fold") {
        const fold = el("tr", { class: "skipped" });
        const open = () => fold.replaceWith(...old.rows.map((row) => line([row, row])));
        fold.append(el("td", { colspan: 2 }, el("button", { type: "button", class: "link", onclick: open }, `Show ${skipped(old.rows.length)}`)));
        return fold;
      }
      return el("tr", {}, cell(old), cell(now));
    };
    return el("table", { class: "diff beside" },
      el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, pairs(folded(rows)).map(line)));
  }

  function values(list, names) {
    const cell = (row) => row
      ? el("td", { class: row.is }, el("span", { class: "unseen" }, signs[row.is][1]), el("span", { class: "text" }, content(row)))
      : el("td", { class: "none" }, el("span", { class: "quiet" }, "nothing"));
    return el("table", { class: "diff values" },
      el("thead", {}, el("tr", {}, ["path", ...names].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, list.map((value) =>
        el("tr", {}, el("th", { scope: "row" }, pieces(value.path)), cell(value.old), cell(value.new)))));
  }

  // An element that shows a difference; `view` is "inline" or "beside", `names` what the two sides are called.
  function show(shown, view, names = ["before", "now"]) {
    const rows = shown.rows || [];
    const host = el("div", { class: "difference", tabindex: "0", role: "group", "aria-label": `What differs: ${names.join(" and ")}` });
    if (shown.values && shown.values.length > 0) host.append(values(shown.values, names));
    else if (view === "beside") host.append(beside(rows, names));
    else host.append(inline(rows));
    if (shown.more > 0) host.append(el("p", { class: "note" }, `… and ${counted(shown.more, "more line", "more lines")}`));
    if (shown.note) host.append(el("p", { class: "note" }, shown.note));
    return host;
  }

  // An element that shows one text alone; `kind` is "same", "added" or "removed".
  function answer(shown, kind = "same") {
    return show({ ...shown, rows: shown.rows.map((row) => ({ ...row, is: kind })) }, "inline", ["answer"]);
  }

  return { show, answer, pieces };
})();
