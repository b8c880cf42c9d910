// The table of exchanges, newest on top: one row in the tab order, moved through
// with keys (https://www.w3.org/WAI/ARIA/apg/patterns/grid/).
import { badge, clock, duration, make } from "./make.js";

// most is how many exchanges are kept; the server keeps as many.
const most = 500;
// fewChips is how many rules a row names; the others are counted.
const fewChips = 3;

export class Table {
  #exchanges = new Map(); // by id, in the order in which they began
  #rows = new Map(); // elements, by id
  #words = [];
  #still = null; // ids of what was there when the table was paused
  #unseen = 0;
  #void = false; // the rows are of a server that is no more, and so are their ids
  #due = null; // the timer of the next update
  #next = 0; // when that may be, in the time of performance.now
  #active = null; // id of the row in the tab order
  #opened = null; // id of the row whose detail is shown

  // The callbacks: open(id) when a row is chosen, moved(id) when the keys have
  // led to it, changed() when counts have.
  constructor(root, { open, moved, changed }) {
    this.body = root.querySelector("tbody");
    this.empty = root.querySelector("#empty");
    this.open = open;
    this.moved = moved;
    this.changed = changed;
    this.body.addEventListener("click", (event) => this.#click(event));
    this.body.addEventListener("focusin", (event) => this.#activate(event.target.closest("tr")?.dataset.id));
  }

  // take adds what the stream tells.
  take({ reset, rows }) {
    if (reset) {
      this.#exchanges.clear();
      this.#void = true;
    }
    for (const row of rows) {
      if (!this.#exchanges.has(row.id)) this.#unseen++;
      this.#exchanges.set(row.id, row);
    }
    for (const id of this.#exchanges.keys()) {
      if (this.#exchanges.size <= most) break;
      this.#exchanges.delete(id);
    }
    this.show();
  }

  get counts() {
    return { shown: this.#rows.size, all: this.#exchanges.size, unseen: this.#unseen };
  }

  get paused() {
    return this.#still !== null;
  }

  set paused(paused) {
    this.#still = paused ? new Set(this.#exchanges.keys()) : null;
    this.#unseen = 0;
    this.show();
  }

  // filter shows only the exchanges that have all of the words.
  filter(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#update();
  }

  // mark shows which exchange is open; null is none.
  mark(id) {
    this.#rows.get(this.#opened)?.setAttribute("aria-selected", "false");
    this.#rows.get(id)?.setAttribute("aria-selected", "true");
    this.#opened = id;
  }

  // show brings the rows up to date, unless they are to stand still. Where calls
  // come faster than they can be drawn, most of the time is left to the person.
  show() {
    this.#due ??= setTimeout(() => {
      const start = performance.now();
      this.#due = null;
      if (!this.paused) {
        this.#unseen = 0;
        this.#update();
      }
      this.changed();
      void this.body.offsetHeight; // the layout is most of the work
      const end = performance.now();
      this.#next = end + Math.min(1000, 3 * (end - start));
    }, this.#next - performance.now());
  }

  // move goes down by so many rows, up if it is less than zero; Infinity goes
  // to the end.
  move(by) {
    const rows = [...this.body.rows];
    if (rows.length === 0) return;
    const focused = document.activeElement?.closest?.("tbody tr");
    const at = rows.findIndex((row) => row.dataset.id === this.#active);
    const from = focused || this.#opened !== null ? at : -Math.sign(by); // then the first step is onto the newest
    const row = rows[Math.min(Math.max(from + by, 0), rows.length - 1)];
    row.focus();
    row.scrollIntoView({ block: "nearest" });
    this.moved(row.dataset.id);
  }

  // focus returns to the row of an exchange, or to the one in the tab order.
  focus(id) {
    (this.#rows.get(id) ?? this.#rows.get(this.#active))?.focus();
  }

  get active() {
    return this.#active;
  }

  #click(event) {
    const row = event.target.closest("tr");
    if (!row) return;
    row.focus();
    this.open(row.dataset.id);
  }

  #matches(exchange) {
    if (this.#still && !this.#still.has(exchange.id)) return false;
    if (this.#words.length === 0) return true;
    const { method, target, status, outcome, rules, class: kind, step } = exchange;
    const text = [method, target, status, outcome, ...(rules ?? []), kind, step].join(" ").toLowerCase();
    return this.#words.every((word) => text.includes(word));
  }

  // update removes first and then inserts, so that no row that stays is moved:
  // one that has the focus would lose it.
  #update() {
    const shown = [...this.#exchanges.values()].reverse().filter((exchange) => this.#matches(exchange));
    const wanted = new Set(shown.map((exchange) => exchange.id));
    const lost = (this.#void || !wanted.has(this.#active)) && this.#rows.get(this.#active) === document.activeElement;
    for (const [id, row] of this.#rows) {
      if (!this.#void && wanted.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    this.#void = false;
    let cursor = this.body.firstElementChild;
    for (const exchange of shown) {
      const row = this.#rows.get(exchange.id);
      if (row) {
        if (row.dataset.change !== String(exchange.change)) fillRow(row, exchange);
        cursor = row.nextElementSibling;
        continue;
      }
      const added = fillRow(make("tr", { role: "row", tabindex: "-1" }), exchange);
      added.setAttribute("aria-selected", String(exchange.id === this.#opened));
      this.#rows.set(exchange.id, added);
      this.body.insertBefore(added, cursor);
    }
    this.empty.hidden = this.#exchanges.size > 0;
    if (!this.#rows.has(this.#active)) this.#activate(shown[0]?.id);
    if (lost) this.focus(this.#active);
    this.changed();
  }

  #activate(id) {
    if (id === undefined) return;
    this.#rows.get(this.#active)?.setAttribute("tabindex", "-1");
    this.#rows.get(id)?.setAttribute("tabindex", "0");
    this.#active = id;
  }
}

function fillRow(row, exchange) {
  const [time, ms] = clock(exchange.start);
  const [path, query] = split(exchange.target);
  row.dataset.id = exchange.id;
  row.dataset.change = exchange.change;
  row.className = exchange.outcome || "open";
  row.replaceChildren(
    cell("time", make("span", {}, time), make("span", { class: "ms" }, ms)),
    cell("method", exchange.method),
    cell("path", make("span", { class: "target", title: exchange.target }, path, make("span", { class: "query" }, query))),
    cell("status", badge(exchange)),
    cell("took", exchange.outcome ? duration(exchange.ms) : "…"),
    cell("rules", chips(exchange)),
    cell("step", make("span", { title: exchange.step }, exchange.step)));
  return row;
}

function cell(name, ...children) {
  return make("td", { role: "gridcell", class: name }, ...children);
}

function split(target) {
  const at = target.indexOf("?");
  return at < 0 ? [target, ""] : [target.slice(0, at), target.slice(at)];
}

function chips({ rules, class: kind, outcome, calls }) {
  const all = rules ?? [];
  const list = make("span", { class: "chips" });
  if (kind) list.append(make("span", { class: `chip kind ${outcome}` }, kind));
  if (calls > 1) list.append(make("span", { class: "chip" }, `${calls} calls`));
  for (const rule of all.slice(0, fewChips)) list.append(make("span", { class: "chip" }, rule));
  if (all.length > fewChips) {
    list.append(make("span", { class: "chip more", title: all.slice(fewChips).join(", ") }, `+${all.length - fewChips}`));
  }
  return list;
}
