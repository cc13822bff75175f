// What every page is made of. Text of answers, names and reasons is put into text nodes only.
const page = (() => {
  // An element: el("button", { class: "quiet", onclick: f }, "text", child). `undefined` and `false` are left out.
  function el(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
    return element;
  }

  const byId = (id) => document.getElementById(id);

  // What the document was written with.
  function data() {
    const block = byId("data");
    return block ? JSON.parse(block.textContent) : null;
  }

  // Tells what happened, in the line that screen readers listen to.
  function say(text, kind) {
    const line = byId("status");
    if (!line) return;
    line.textContent = text;
    line.title = text;
    line.dataset.kind = kind || "";
  }

  const counted = (count, one, several) => `${count.toLocaleString("en")} ${count === 1 ? one : several}`;

  // Light, dark, or as the system is; kept where the browser keeps anything for this page.
  function theme(button) {
    const names = { auto: "as the system", light: "light", dark: "dark" };
    const order = Object.keys(names);
    let now = "auto";
    try { now = localStorage.getItem("promptctl-theme") || "auto"; } catch { /* nothing is kept */ }
    const show = () => {
      if (!order.includes(now)) now = "auto";
      if (now === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = now;
      button.textContent = { auto: "◐", light: "☀", dark: "☾" }[now];
      button.setAttribute("aria-label", `Colours: ${names[now]}`);
      button.title = `Colours: ${names[now]}`;
    };
    button.addEventListener("click", () => {
      now = order[(order.indexOf(now) + 1) % order.length];
      try { localStorage.setItem("promptctl-theme", now); } catch { /* nothing is kept */ }
      show();
      say(`Colours: ${names[now]}`);
    });
    show();
  }

  // Keys: bind("j", "next", f). They do nothing while somebody types, with a modifier, or while a dialog is open.
  const bound = new Map();
  function bind(key, what, act) { bound.set(key, { what, act }); }

  const types = (target) =>
    target instanceof Element && target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");

  function listen() {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
      if (types(event.target)) {
        if (event.key === "Escape") {
          // A browser may empty a search field by itself, and tell nobody.
          if (event.target.type === "search" && event.target.value !== "") {
            event.preventDefault();
            event.target.value = "";
            event.target.dispatchEvent(new Event("input", { bubbles: true }));
          }
          event.target.blur();
        }
        return;
      }
      if (document.querySelector("dialog[open]")) return;
      const found = bound.get(event.key);
      if (!found || (event.repeat && !["j", "k"].includes(event.key))) return;
      event.preventDefault();
      found.act();
    });
  }

  // The dialog that shows the keys.
  function help() {
    let dialog = byId("keys");
    if (!dialog) {
      const close = el("button", { type: "button", onclick: () => dialog.close() }, "Close");
      dialog = el("dialog", { id: "keys", "aria-labelledby": "keys-title" }, el("h2", { id: "keys-title" }, "Keys"),
        el("dl", {}, [...bound].map(([key, { what }]) =>
          el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)))),
        close);
      document.body.append(dialog);
    }
    dialog.showModal();
  }

  // Filters over rows: a field for text and a list for each facet that has more than one value.
  // facets: [{ name, label, of: (row) => value or [values] }]; text: (row) => what is searched.
  function filters(host, rows, { facets, text, changed }) {
    const chosen = {};
    const field = el("input", { type: "search", id: "filter-text", autocomplete: "off", spellcheck: "false", placeholder: "Filter" });
    let wanted = [];
    let waits;
    const split = () => { wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean); };
    const apply = () => { split(); changed(); };
    field.addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(apply, 80); });
    host.append(el("label", { for: "filter-text", class: "unseen" }, "Filter by text"), field);
    const values = (facet, row) => [facet.of(row)].flat();
    const selects = facets.map((facet) => {
      const counts = new Map();
      for (const row of rows) for (const value of values(facet, row)) counts.set(value, (counts.get(value) || 0) + 1);
      if (counts.size < 2) return undefined;
      const id = `filter-${facet.name}`;
      const select = el("select", { id, onchange: () => { chosen[facet.name] = select.value; changed(); } },
        el("option", { value: "" }, `${facet.label}: all`),
        [...counts].map(([value, count]) => el("option", { value }, `${value} (${count})`)));
      host.append(el("label", { for: id, class: "unseen" }, facet.label), select);
      return select;
    });
    const matches = (row) =>
      facets.every((facet) => !chosen[facet.name] || values(facet, row).some((value) => String(value) === chosen[facet.name]))
      && (wanted.length === 0 || ((words) => wanted.every((part) => words.includes(part)))(text(row).toLowerCase()));
    const clear = () => {
      field.value = "";
      for (const select of selects) if (select) select.value = "";
      for (const name of Object.keys(chosen)) delete chosen[name];
      apply();
    };
    // What is chosen, by the names of the facets and `text`; it can be set again, and nobody is told of that.
    const state = () => ({ ...chosen, text: field.value.trim() });
    const set = (asked) => {
      field.value = asked.text || "";
      split();
      facets.forEach((facet, at) => {
        const select = selects[at];
        if (!select) return;
        select.value = asked[facet.name] || "";
        if (select.selectedIndex < 0) select.value = "";
        chosen[facet.name] = select.value;
      });
    };
    return { matches, clear, state, set, focus: () => { field.focus(); field.select(); } };
  }

  return { el, byId, data, say, counted, theme, bind, listen, help, filters };
})();
