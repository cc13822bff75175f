// The cases of a report: an index of all of them, unpacked once, and the details in chunks, unpacked when one is looked
// at. Filters, the case that is open and how differences are shown live in the address behind `#`.
const list = (() => {
  const { el, byId, say, counted } = page;
  const PAGE = 100;
  // So many of those that are not good are open from the start.
  const OPEN = 3;
  const number = (value) => value.toLocaleString("en");

  async function unpack(id) {
    const block = byId(id);
    if (!block) return [];
    const text = atob(block.textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const lines = (await new Response(stream).text()).split("\n");
    lines.pop();
    return lines;
  }

  // The chunks that were looked at last.
  const kept = new Map();
  function chunk(at) {
    const found = kept.get(at) || unpack(`chunk-${at}`);
    kept.delete(at);
    kept.set(at, found);
    if (kept.size > 12) kept.delete(kept.keys().next().value);
    return found;
  }

  // Whether the address asks for certain cases.
  const asked = () => [...new URLSearchParams(location.hash.slice(1)).keys()].some((name) => name !== "view");

  const detail = async (row) => JSON.parse((await chunk(row.chunk))[row.line]);

  // Every text in a detail, to be searched.
  function words(value, into) {
    if (typeof value === "string") into.push(value);
    else if (Array.isArray(value)) for (const part of value) words(part, into);
    else if (value && typeof value === "object") {
      if (Array.isArray(value.pieces)) into.push(value.pieces.map((piece) => piece.text).join(""));
      else for (const part of Object.values(value)) words(part, into);
    }
    return into;
  }

  const tile = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  const facts = (pairs) => el("dl", { class: "facts" }, pairs.map(([name, value]) => tile(name, value)));
  const badge = (kind, text) => el("span", { class: `badge ${kind}` }, text);

  // rows: objects with id, title, rank, collapsed (counted by `group` until asked for), chunk and line.
  // show: { head: (row) => nodes, body: (detail, row, view) => nodes, group: (name, count) => text }.
  async function start({ rows, facets, text, show, noun }) {
    const host = byId("list");
    const more = byId("more");
    let view = "inline";
    let open = "";
    let limit = PAGE;
    let items = [];
    let matching = 0;
    const unfolded = new Set();
    const filters = page.filters(byId("filters"), rows, { facets, text: (row) => row.words || text(row), changed: () => refresh(true) });

    // What is asked for by its verdict, or by a text, is shown one by one.
    const isFlat = (state) => Boolean(state.verdict || state.text || state.tag);

    function choose() {
      const state = filters.state();
      const flat = isFlat(state);
      const groups = new Map();
      items = [];
      matching = 0;
      for (const row of rows) {
        if (!filters.matches(row)) {
          if (row.id === open) items.push({ row });
          continue;
        }
        matching += 1;
        if (flat || !row.collapsed) { items.push({ row }); continue; }
        if (!groups.has(row.group)) groups.set(row.group, []);
        groups.get(row.group).push(row);
      }
      for (const [name, members] of groups) {
        const isOpen = unfolded.has(name) || members.some((row) => row.id === open);
        items.push({ name, members, isOpen });
        if (isOpen) for (const row of members) items.push({ row });
      }
    }

    function element(item) {
      if (item.members) {
        const button = el("button", { type: "button", class: "link", "aria-expanded": String(item.isOpen) },
          `${item.isOpen ? "Hide" : "Show"} ${show.group(item.name, number(item.members.length), item.members.length)}`);
        button.addEventListener("click", () => {
          if (unfolded.has(item.name)) unfolded.delete(item.name); else unfolded.add(item.name);
          draw();
          const again = [...host.querySelectorAll(".group button")].find((other) => other.dataset.name === item.name);
          if (again) again.focus();
        });
        button.dataset.name = item.name;
        return el("li", { class: "group" }, button);
      }
      const { row } = item;
      const line = el("li", { class: "case" });
      line.dataset.id = row.id;
      const button = el("button", { type: "button", class: "head", "aria-expanded": "false" }, show.head(row));
      button.addEventListener("click", () => (line.dataset.open ? close(line) : expand(line, row, true)));
      line.append(button);
      line.row = row;
      return line;
    }

    async function expand(line, row, byHand) {
      line.dataset.open = "1";
      line.querySelector(".head").setAttribute("aria-expanded", "true");
      const body = el("div", { class: "body" }, el("p", { class: "quiet" }, "…"));
      line.append(body);
      if (byHand) { open = row.id; remember(); }
      try {
        fill(body, row, await detail(row));
      } catch (error) {
        body.replaceChildren(el("p", { class: "note" }, `This part of the file cannot be read: ${error.message}`));
      }
    }

    function fill(body, row, found) {
      const link = el("a", { class: "permalink", href: address({ case: row.id }), title: "The address of this case" }, "Link to this case");
      body.replaceChildren(...[show.body(found, row, view)].flat(Infinity).filter(Boolean), link);
    }

    function close(line) {
      delete line.dataset.open;
      line.querySelector(".head").setAttribute("aria-expanded", "false");
      line.querySelector(".body").remove();
      if (open === line.dataset.id) { open = ""; remember(); }
    }

    function draw() {
      choose();
      const at = items.findIndex((item) => item.row && item.row.id === open);
      if (at >= limit) limit = at + PAGE;
      host.replaceChildren(...items.slice(0, limit).map(element));
      footer();
      if (open) {
        const line = [...host.children].find((child) => child.dataset.id === open);
        if (line) expand(line, line.row, false);
      }
    }

    function footer() {
      const left = items.length - limit;
      more.replaceChildren();
      if (items.length === 0) more.append(el("span", { class: "quiet" }, rows.length ? "Nothing fits the filter." : "There is nothing here."));
      if (left > 0) more.append(el("button", { type: "button", onclick: grow }, `Show ${number(Math.min(PAGE, left))} more of ${number(left)}`));
    }

    function grow() {
      const from = limit;
      limit += PAGE;
      host.append(...items.slice(from, limit).map(element));
      footer();
      const first = host.children[from];
      if (first) first.querySelector("button").focus();
    }

    const tell = (note) => say(`${matching === rows.length ? counted(matching, noun[0], noun[1]) : `${number(matching)} of ${counted(rows.length, noun[0], noun[1])}`}${note || ""}`);

    function refresh(reset) {
      if (reset) { limit = PAGE; open = ""; remember(); }
      draw();
      tell();
      search();
    }

    // The words of answers are unpacked for the first search, chunk by chunk.
    let searching = false;
    async function search() {
      if (searching || !filters.state().text || rows.every((row) => row.words)) return;
      searching = true;
      const chunks = new Map();
      for (const row of rows) {
        if (!chunks.has(row.chunk)) chunks.set(row.chunk, []);
        chunks.get(row.chunk).push(row);
      }
      let done = 0;
      for (const [at, members] of chunks) {
        tell(`, looking into answers: ${Math.round((done / chunks.size) * 100)} %`);
        let lines = [];
        try { lines = await unpack(`chunk-${at}`); } catch { /* what cannot be read is not found */ }
        for (const row of members) {
          const found = lines[row.line] ? words(JSON.parse(lines[row.line]), []) : [];
          row.words = `${text(row)} ${found.join(" ")}`.toLowerCase();
        }
        done += 1;
      }
      searching = false;
      draw();
      tell();
    }

    function address(wanted) {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
      return `#${query}`;
    }

    function remember() {
      const wanted = { ...filters.state(), case: open, view: view === "beside" ? view : "" };
      const to = address(wanted);
      if (to === (location.hash || "#")) return;
      history.replaceState(null, "", to === "#" ? location.pathname + location.search : to);
    }

    function toggle() {
      view = view === "inline" ? "beside" : "inline";
      byId("view").setAttribute("aria-pressed", String(view === "beside"));
      remember();
      document.dispatchEvent(new CustomEvent("view", { detail: view }));
      for (const line of host.querySelectorAll("[data-open]")) {
        const body = line.querySelector(".body");
        detail(line.row).then((found) => fill(body, line.row, found));
      }
      say(view === "beside" ? "Differences in two columns" : "Differences in one column");
    }

    function follow() {
      const query = new URLSearchParams(location.hash.slice(1));
      filters.set(Object.fromEntries(query));
      open = query.get("case") || "";
      view = query.get("view") === "beside" ? "beside" : "inline";
      byId("view").setAttribute("aria-pressed", String(view === "beside"));
      document.dispatchEvent(new CustomEvent("view", { detail: view }));
      limit = PAGE;
      draw();
      tell();
      search();
      const line = open && [...host.children].find((child) => child.dataset.id === open);
      if (line) { line.querySelector(".head").focus({ preventScroll: true }); line.scrollIntoView({ block: "start" }); }
      else if (asked()) byId("cases").scrollIntoView({ block: "start" });
    }

    const heads = () => [...host.querySelectorAll(".case > .head, .group > button")];
    function step(by) {
      const all = heads();
      const at = all.findIndex((head) => head === document.activeElement || head.parentElement.contains(document.activeElement));
      let to = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
      if (to >= all.length && limit < items.length) { grow(); return; }
      to = Math.max(0, Math.min(all.length - 1, to));
      if (!all[to]) return;
      all[to].focus({ preventScroll: true });
      all[to].scrollIntoView({ block: "nearest" });
    }

    page.bind("j", "the next case", () => step(1));
    page.bind("k", "the case before", () => step(-1));
    page.bind("v", "differences in one column or two", toggle);
    page.bind("/", "filter", () => filters.focus());
    page.bind("c", "clear the filter", () => { filters.clear(); });
    page.bind("?", "these keys", () => page.help());
    page.listen();
    byId("view").addEventListener("click", toggle);
    byId("help").addEventListener("click", () => page.help());
    page.theme(byId("theme"));
    for (const tools of document.querySelectorAll(".tools, #filters")) tools.hidden = false;
    window.addEventListener("hashchange", follow);
    follow();
    if (!asked()) {
      const worst = [...host.children].slice(0, OPEN).filter((line) => line.row && line.row.urgent);
      await Promise.all(worst.map((line) => expand(line, line.row, false)));
    }
    // A link to the hash that is there already tells nobody of a change.
    document.addEventListener("click", (event) => {
      const link = event.target instanceof Element && event.target.closest("a[href^='#']");
      if (link && link.getAttribute("href") === location.hash) follow();
    });
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
    return { view: () => view };
  }

  return { start, asked, unpack, chunk, facts, badge, number };
})();
