// The review: a list of what waits, one answer at a time, a key for each decision. Nothing is decided that is not shown.
(() => {
  const { el, byId, say, counted } = page;
  const MOST_ROWS = 400;
  const kinds = { accept: "accepted", reject: "rejected", skip: "skipped" };
  const marks = { accept: ["✓", "good"], reject: ["✗", "bad"], skip: ["–", ""] };

  let items = [];
  let counts = { all: 0, accepted: 0, rejected: 0, skipped: 0, waiting: 0 };
  let steps = 0;
  let filters;
  let current = null;
  // The answer that is on the screen, as a whole; decisions are about this and nothing else.
  let open = null;
  let view = "inline";
  let busy = false;
  // Reasons that were written and not yet sent, by answer.
  const drafts = new Map();
  let over = false;
  let asked = null;
  let limit = MOST_ROWS;

  async function call(path, body) {
    const options = body === undefined ? {} : {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    };
    let reply;
    try {
      reply = await fetch(path, { cache: "no-store", ...options });
    } catch {
      throw new Error("promptctl does not answer: the review has ended, or its process was stopped");
    }
    let value;
    try { value = await reply.json(); } catch { throw new Error(`promptctl answered with status ${reply.status}`); }
    return { ok: reply.ok, status: reply.status, value };
  }

  const name = (item) => `${item.prompt} › ${item.case} › ${item.model}`;
  const isOpen = (item) => !item.gone && (item.decision === null || item.decision === "skip");
  const visible = () => items.filter((item) => filters.matches(item));
  const badge = (item) =>
    item.failing ? "bad" : { new: "good", "white space only": "", "some words changed": "warn", "values changed": "warn" }[item.kind] ?? "odd";

  // What came back of a decision.
  function take(value) {
    for (const item of value.items || []) items[item.id] = item;
    if (value.counts) counts = value.counts;
    if (value.steps !== undefined) steps = value.steps;
  }

  function row(item) {
    const [mark, kind] = item.gone ? ["·", ""] : marks[item.decision] || ["", ""];
    const state = item.gone ? "decided elsewhere" : kinds[item.decision] || "waits";
    return el("li", {},
      el("button", {
        type: "button", class: `row${isOpen(item) ? "" : " done"}`, id: `row-${item.id}`,
        "aria-current": current === item.id ? "true" : undefined, onclick: () => select(item.id, true),
      },
      el("span", { class: `mark ${kind}`, "aria-hidden": "true" }, mark),
      el("span", { class: "names" }, el("span", { class: "case" }, item.case),
        el("span", { class: "where" }, `${item.prompt} · ${item.model}`), el("span", { class: "unseen" }, `, ${state}`))));
  }

  function list() {
    const rows = visible();
    const groups = new Map();
    for (const item of rows.slice(0, limit)) {
      if (!groups.has(item.group)) groups.set(item.group, []);
      groups.get(item.group).push(item);
    }
    const more = rows.length - limit;
    byId("groups").replaceChildren(
      ...[...groups].map(([number, members]) => {
        const all = rows.filter((item) => item.group === number).length;
        const id = `group-${number}`;
        // A change without a pattern of its own is only named after its file.
        const says = members[0].change !== members[0].kind && !members[0].change.startsWith("changes of ");
        const what = !says ? undefined : el("span", { class: "what" }, members[0].change);
        return el("div", { class: "group card", role: "group", "aria-labelledby": id },
          el("h2", { id }, el("span", { class: `badge ${badge(members[0])}` }, members[0].kind),
            all > 1 ? el("span", { class: "quiet" }, `${all} alike`) : undefined, members[0].failing ? undefined : what),
          el("ol", {}, members.map(row)));
      }),
      ...(more > 0 ? [el("button", { type: "button", onclick: () => { limit += MOST_ROWS; list(); } }, `Show ${counted(Math.min(more, MOST_ROWS), "more", "more")}`)] : []),
    );
    byId("shown").textContent = rows.length === items.length ? `${counted(items.length, "answer", "answers")}, riskiest first` : `${rows.length} of ${counted(items.length, "answer", "answers")}`;
  }

  function progress() {
    const decided = counts.all - counts.waiting;
    const bar = byId("progress");
    bar.max = Math.max(counts.all, 1);
    bar.value = decided;
    byId("count").textContent = `${decided} of ${counts.all}`;
    byId("undo").disabled = steps === 0 || over;
    byId("finish").classList.toggle("main", counts.waiting === 0);
  }

  // Those of the group of the answer on the screen that can be decided with it, as far as the filter shows them.
  const alike = () => visible().filter((item) => item.group === items[current].group && isOpen(item));
  // Those of its prompt that can be accepted together.
  const ofPrompt = () => visible().filter((item) => item.prompt === items[current].prompt && isOpen(item) && !item.failing);

  const button = (kind, text, key, act, disabled) =>
    el("button", { type: "button", class: kind, onclick: act, disabled }, text, key ? el("kbd", {}, key) : undefined);

  function acts(item) {
    const closed = !isOpen(item);
    const group = alike();
    const many = ofPrompt();
    const field = el("input", { id: "reason", type: "text", autocomplete: "off",
      placeholder: item.needs_reason ? "why it is accepted (needed)" : "why it is accepted (optional)", value: drafts.get(item.id) || "" });
    field.addEventListener("input", () => { drafts.set(item.id, field.value); });
    const form = el("form", { id: "why", onsubmit: (event) => { event.preventDefault(); submitReason(); } },
      el("label", { for: "reason", class: "unseen" }, "Why it is accepted"), field);
    return el("section", { class: "acts card", "aria-label": "Decide" },
      el("div", { class: "line" },
        button("good", "Accept", "a", () => decide("accept", [item]), closed),
        button("bad", "Reject", "r", () => decide("reject", [item]), closed),
        button("", "Skip", "s", () => decide("skip", [item]), closed),
        closed ? undefined : form),
      group.length > 1 && !closed ? el("div", { class: "line" },
        el("span", { class: "label" }, `All ${group.length} that changed alike:`),
        button("", "Accept", "A", () => decide("accept", group), item.failing),
        button("", "Reject", "R", () => decide("reject", group)),
        button("", "Skip", "S", () => decide("skip", group))) : undefined,
      many.length > 1 && many.length !== group.length ? el("div", { class: "line" },
        button("", `Accept all ${many.length} of ${item.prompt}`, undefined, () => decide("accept", many))) : undefined);
  }

  function detail(item, whole) {
    const views = ["inline", "beside"].map((kind) => el("button", {
      type: "button", "aria-pressed": String(view === kind), onclick: () => { view = kind; show(); },
    }, kind === "inline" ? "Inline" : "Side by side"));
    const state = item.gone ? "decided elsewhere" : kinds[item.decision];
    const fact = (label, value) => value ? el("span", {}, `${label} `, el("code", {}, value)) : undefined;
    const head = el("div", { class: "head" },
      el("h2", { id: "title" }, [item.prompt, item.case, item.model].flatMap((part, i) =>
        i ? [el("span", { class: "sep" }, " › "), part] : [part])),
      el("span", { class: `badge ${badge(item)}` }, item.kind), " ",
      state ? el("span", { class: `badge ${item.decision === "accept" ? "good" : item.decision === "reject" ? "bad" : ""}` }, state) : undefined,
      el("div", { class: "facts" }, fact("version", whole.version), fact("digest", whole.digest.slice(0, 12)),
        fact("ended by", whole.finish), fact("file", whole.path)));
    const fails = item.failing ? el("div", { class: "notice bad" },
      el("strong", {}, whole.fails.length ? "Expectations fail:" : "Expectations fail."),
      el("ul", {}, whole.fails.map((what) => el("li", {}, "✗ ", difference.pieces(what))))) : undefined;
    const before = whole.accepted_reason ? el("p", { class: "notice" }, el("span", { class: "quiet" }, "The accepted answer was accepted because: "), whole.accepted_reason) : undefined;
    const changed = whole.difference
      ? el("section", { class: "part", "aria-label": "What changed" },
        el("div", { class: "title" }, el("h3", {}, "What changed in the answer"), whole.difference.rows ? el("div", { class: "views" }, views) : undefined),
        difference.show(whole.difference, view, ["accepted", "new"]))
      : el("section", { class: "part", "aria-label": "The new answer" },
        el("div", { class: "title" }, el("h3", {}, "Nothing was accepted yet; the answer is")), difference.answer(whole.new, "added"));
    const messages = whole.messages ? el("details", { class: "part", id: "messages", open: detail.messages || undefined, ontoggle: (event) => { detail.messages = event.target.open; } },
      el("summary", {}, `What the model was shown (${counted(whole.messages.length, "message", "messages")})`),
      whole.messages.map((message) => el("div", { class: "message" }, el("h4", {}, message.role), difference.answer(message.text)))) : undefined;
    const answers = whole.accepted ? el("details", { class: "part" }, el("summary", {}, "The new answer as a whole"), difference.answer(whole.new)) : undefined;
    return [el("article", { class: "card", "aria-labelledby": "title" }, head, fails, before, changed, answers, messages), over ? undefined : acts(item)];
  }

  function show() {
    const main = byId("answer");
    if (current === null) {
      const waits = counts.waiting;
      const title = over ? "The review has ended" : waits === 0 ? "Everything is decided" : items.some((item) => filters.matches(item)) ? "Nothing left here" : "Nothing matches";
      main.replaceChildren(el("section", { class: "card empty" }, el("h2", {}, title),
        el("p", {}, `${counts.accepted} accepted, ${counts.rejected} rejected, ${waits} still waiting`),
        over ? el("p", {}, "You can close this window.") : [
          waits > 0 ? button("", "Show all", undefined, () => { filters.clear(); next(); }) : undefined,
          button(waits === 0 ? "main" : "", "Finish", undefined, finish)]));
      return;
    }
    if (!open || open.id !== current) return;
    main.replaceChildren(...detail(items[current], open).filter(Boolean));
    // The button that was pressed is gone; who works with the keyboard goes on from the answer.
    if (document.activeElement === document.body) main.focus({ preventScroll: true });
  }

  function draw() { list(); progress(); show(); }

  // Puts an answer on the screen.
  async function select(id, focus) {
    current = id;
    open = null;
    asked = null;
    list();
    if (id === null) { show(); return; }
    const shown = byId(`row-${id}`);
    if (shown) shown.scrollIntoView({ block: "nearest" });
    try {
      const { ok, value } = await call(`item/${id}`);
      if (current !== id) return;
      if (!ok) throw new Error(value.error || "this answer cannot be shown");
      open = value;
      items[id] = value.row;
      list();
      show();
      const item = items[id];
      say(`${name(item)}: ${item.kind}${item.decision ? `, ${kinds[item.decision]}` : ""}`);
      window.scrollTo({ top: 0 });
      if (focus) byId("answer").focus({ preventScroll: true });
    } catch (error) {
      say(error.message, "bad");
    }
  }

  // The next one in the list that is not decided, or the first.
  function next(from = -1) {
    const rows = visible().filter((item) => isOpen(item) && item.decision === null);
    const order = visible().map((item) => item.id);
    const place = (item) => order.indexOf(item.id);
    const found = rows.find((item) => place(item) > from) || rows[0];
    return select(found ? found.id : null);
  }

  function move(by) {
    const rows = visible();
    if (rows.length === 0) return;
    const at = rows.findIndex((item) => item.id === current);
    const to = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
    if (to >= limit) limit = to + MOST_ROWS;
    if (to !== at) select(rows[to].id);
  }

  async function decide(decision, chosen) {
    if (busy || over || current === null || !open || open.id !== current) return;
    if (chosen.length === 0 || !chosen.every(isOpen)) return;
    if (open.revision !== items[current].revision) { select(current); return; }
    const reason = decision === "accept" ? (drafts.get(open.id) || "").trim() : "";
    const wants = chosen.map((item) => item.needs_reason).find(Boolean);
    if (decision === "accept" && wants && !reason) {
      asked = chosen;
      byId("why").dataset.asked = "true";
      byId("reason").focus();
      say(`${wants}: say why it is accepted, then Enter`, "bad");
      return;
    }
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    if (chosen.length > 1) say(`${counted(chosen.length, "answer", "answers")}: working…`);
    try {
      const at = visible().findIndex((item) => item.id === current);
      const { ok, status, value } = await call("decide", {
        ids: chosen.map((item) => item.id), revisions: chosen.map((item) => item.revision), decision,
        ...(reason ? { reason } : {}),
      });
      take(value);
      if (!ok) {
        draw();
        if (status === 409) await select(current);
        say(value.error, "bad");
        return;
      }
      progress();
      const many = chosen.length > 1 ? ` ${chosen.length}` : "";
      await next(at);
      say(`${kinds[decision]}${many}: ${chosen.length > 1 ? "" : `${name(chosen[0])}; `}${counts.waiting} still waiting`, "good");
    } catch (error) {
      say(error.message, "bad");
    } finally {
      busy = false;
      document.body.removeAttribute("aria-busy");
    }
  }

  function submitReason() {
    if (asked) { const chosen = asked; asked = null; decide("accept", chosen); }
    else { byId("reason").blur(); say("the reason goes with this answer: a accepts it"); }
  }

  async function undo() {
    if (busy || over) return;
    if (steps === 0) { say("there is nothing to undo"); return; }
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    try {
      const { ok, value } = await call("undo", { steps });
      take(value);
      draw();
      if (!ok) { say(value.error, "bad"); return; }
      const back = value.items;
      await select(back[0].id);
      say(`undone: ${back.length > 1 ? counted(back.length, "answer waits", "answers wait") : `${name(back[0])} waits`} again`, "good");
    } catch (error) {
      say(error.message, "bad");
    } finally {
      busy = false;
      document.body.removeAttribute("aria-busy");
    }
  }

  async function finish() {
    if (busy || over) return;
    busy = true;
    try {
      const { ok, value } = await call("finish", {});
      if (!ok) throw new Error(value.error || "the review could not be ended");
      over = true;
      current = null;
      byId("finish").disabled = true;
      draw();
      say(`the review has ended: ${value.line}`, "good");
    } catch (error) {
      say(error.message, "bad");
    } finally {
      busy = false;
      document.body.removeAttribute("aria-busy");
    }
  }

  const one = () => (current === null ? [] : [items[current]]);
  const group = () => (current === null ? [] : alike());
  page.bind("a", "accept", () => decide("accept", one()));
  page.bind("r", "reject", () => decide("reject", one()));
  page.bind("s", "skip", () => decide("skip", one()));
  page.bind("A", "accept all that changed alike", () => {
    if (current !== null && items[current].failing) say("an answer whose expectations fail is accepted alone only", "bad");
    else decide("accept", group());
  });
  page.bind("R", "reject all that changed alike", () => decide("reject", group()));
  page.bind("S", "skip all that changed alike", () => decide("skip", group()));
  page.bind("u", "undo", undo);
  page.bind("w", "say why", () => { const field = byId("reason"); if (field) field.focus(); });
  page.bind("j", "next", () => move(1));
  page.bind("k", "previous", () => move(-1));
  page.bind("v", "side by side or inline", () => { view = view === "inline" ? "beside" : "inline"; show(); say(view === "inline" ? "inline" : "side by side"); });
  page.bind("m", "what the model was shown", () => { const part = byId("messages"); if (part) part.open = !part.open; });
  page.bind("/", "filter", () => filters.focus());
  page.bind("?", "these keys", page.help);

  byId("undo").addEventListener("click", undo);
  byId("finish").addEventListener("click", finish);
  byId("help").addEventListener("click", page.help);
  page.theme(byId("theme"));
  page.listen();

  (async () => {
    try {
      const { ok, value } = await call("state");
      if (!ok) throw new Error(value.error || "the review cannot be shown");
      byId("project").textContent = value.project;
      document.title = `Review · ${value.project} · promptctl`;
      take(value);
      filters = page.filters(byId("filters"), items, {
        facets: [
          { name: "kind", label: "Change", of: (item) => item.kind },
          { name: "prompt", label: "Prompt", of: (item) => item.prompt },
          { name: "model", label: "Model", of: (item) => item.model },
        ],
        text: (item) => `${name(item)} ${item.kind} ${item.change}`,
        changed: async () => {
          limit = MOST_ROWS;
          if (current !== null && filters.matches(items[current])) list();
          else await next();
          say(counted(visible().length, "answer matches", "answers match"));
        },
      });
      progress();
      await next();
    } catch (error) {
      say(error.message, "bad");
    }
  })();
})();
