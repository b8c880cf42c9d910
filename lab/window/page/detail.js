// Shows one exchange: what Entra sent, what the backend got, what came back, and
// where they differ.
import { badge, duration, make } from "./make.js";
import { beside, compare, indent } from "./diff.js";

const signText = { "-": "−", "+": "+", " ": "" };

export class Detail {
  #id = null;
  #call = null; // the number of the call to the backend shown, null for the last
  #change = 0; // of what is shown

  // close is called when the person wants it closed.
  constructor(root, { close }) {
    this.root = root;
    this.close = close;
  }

  get id() {
    return this.#id;
  }

  // show fetches an exchange and shows it; focus says whether to go there.
  async show(id, { focus = false } = {}) {
    if (id !== this.#id) [this.#call, this.#change] = [null, 0];
    const before = this.#id;
    this.#id = id;
    let exchange;
    try {
      const answer = await fetch(`exchanges/${encodeURIComponent(id)}`);
      exchange = await answer.json();
      if (!answer.ok) throw new Error(exchange.error);
    } catch (error) {
      if (this.#id === id) this.#fail(error.message);
      return;
    }
    if (this.#id !== id) return; // another one was chosen in the meantime
    if (exchange.change < this.#change) return; // a later answer was faster
    this.#change = exchange.change;
    this.#render(exchange, before !== id);
    if (focus) this.root.querySelector("h2").focus();
  }

  hide() {
    this.#id = null;
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  #fail(text) {
    this.root.hidden = false;
    this.root.replaceChildren(this.#head(make("h2", { id: "detail-title", tabindex: "-1" }, "Not available")), make("p", { class: "notice" }, text));
  }

  #head(...children) {
    const close = make("button", { type: "button", class: "close", "aria-label": "Close (Esc)", click: () => this.close() }, "✕");
    return make("div", { class: "head" }, ...children, close);
  }

  #render(exchange, fresh) {
    const held = this.root.contains(document.activeElement) ? document.activeElement.dataset.keep ?? document.activeElement.id : null;
    const scroll = fresh ? 0 : this.root.scrollTop;
    const last = exchange.backend.length - 1;
    const shown = Math.min(this.#call ?? last, last);
    this.root.replaceChildren(
      this.#head(
        make("h2", { id: "detail-title", tabindex: "-1" }, make("span", { class: "method" }, exchange.method), " ", exchange.target),
        badge(exchange), facts(exchange)),
      notice(exchange),
      make("div", { class: "notes" }, swap(exchange, shown), fired(exchange)),
      make("div", { class: "columns" },
        this.#pair(exchange, shown),
        back(exchange, shown)));
    this.root.hidden = false;
    this.root.scrollTop = scroll;
    // What had the focus was replaced.
    if (held) (this.root.querySelector(`[data-keep="${held}"]`) ?? this.root.querySelector("h2")).focus();
  }

  // pair shows the request on both sides of the proxy, line beside line.
  #pair(exchange, shown) {
    const got = exchange.backend[shown]?.got;
    const heading = make("div", { class: "heading" }, make("h3", { id: "h-got" }, "Backend got"));
    if (exchange.backend.length > 1) heading.append(this.#calls(exchange, shown));
    const sentHeading = make("div", { class: "heading" }, make("h3", { id: "h-sent" }, "Entra sent"));
    if (!got) {
      return make("div", { class: "pair" },
        make("section", { class: "side", "aria-labelledby": "h-sent" }, sentHeading, ...single(exchange.entra)),
        make("section", { class: "side", "aria-labelledby": "h-got" }, heading, make("p", { class: "nothing" },
          exchange.outcome ? "Nothing: the proxy did not call the backend." : "Nothing yet.")));
    }
    const head = beside(compare(headLines(exchange.entra), headLines(got)));
    const body = beside(compare(bodyLines(exchange.entra), bodyLines(got)));
    const rows = 1 + head.length + body.length + 1;
    const side = (which, label, top, message) => {
      const section = make("section", { class: "side", "aria-labelledby": label }, top);
      section.append(...head.map((row) => line(row[which], "header")),
        make("div", { class: "gap" }, bodyNote(message)),
        ...body.map((row) => line(row[which], "body")));
      section.style.setProperty("--rows", rows);
      return section;
    };
    return make("div", { class: "pair aligned" }, side("left", "h-sent", sentHeading, exchange.entra), side("right", "h-got", heading, got));
  }

  // calls chooses among several: a rule may look the resource up first, and a
  // call that another credential may help is repeated.
  #calls(exchange, shown) {
    const group = make("div", { class: "calls", role: "group", "aria-label": "Call to the backend" });
    exchange.backend.forEach(({ got, said }, i) => {
      group.append(make("button", {
        type: "button", "aria-pressed": String(i === shown), "data-keep": `call-${i}`,
        click: () => {
          this.#call = i;
          this.#render(exchange, false);
        },
      }, `${i + 1}: ${got.startLine.split(" ")[0]} ${said.status || "…"}`));
    });
    return group;
  }
}

function facts(exchange) {
  const list = make("dl", { class: "facts" });
  const add = (label, value) => {
    if (value) list.append(make("div", {}, make("dt", {}, label), make("dd", {}, value)));
  };
  add("Took", exchange.outcome ? duration(exchange.ms) : "still open");
  if (exchange.logged) {
    add("Backend", duration(exchange.backendMS));
    add("Secrets", duration(exchange.secretMS));
  }
  add("Step", exchange.step);
  add("Invocation", exchange.id);
  return list;
}

// notice is what the proxy's log says of a call that did not go well.
function notice({ class: kind, outcome, cause, remedy }) {
  if (!kind) return "";
  return make("p", { class: `notice ${outcome}` }, make("b", {}, kind),
    cause ? make("span", {}, `Cause: ${cause}`) : null,
    remedy ? make("span", {}, `Remedy: ${remedy}`) : null);
}

// swap shows the credentials on both sides of the proxy.
function swap({ entra, backend }, shown) {
  const got = backend[shown]?.got.header;
  const first = entra.header?.Authorization?.[0], second = (got?.Authorization ?? got?.["X-Api-Key"])?.[0];
  if (!first || !second) return null;
  return make("p", { class: "swap" }, make("b", {}, "Token"),
    make("span", {}, "Entra’s ", make("code", {}, first)),
    make("span", { class: "arrow" }, first === second ? "=" : "→"),
    make("span", {}, "the backend’s ", make("code", {}, second)));
}

// fired names the rules that were applied, as anchors of their documentation.
function fired({ rules }) {
  if (!rules?.length) return null;
  return make("div", { class: "fired" }, make("b", {}, rules.length === 1 ? "1 rule" : `${rules.length} rules`),
    make("code", { class: "document" }, "docs/rules.md"),
    make("ul", {}, ...rules.map((rule) => make("li", { class: "chip" }, `#${rule}`))));
}

// back shows what Entra got, and where the backend had said otherwise.
function back(exchange, shown) {
  const heading = make("div", { class: "heading" }, make("h3", { id: "h-back" }, "Came back"));
  const section = make("section", { class: "side back", "aria-labelledby": "h-back" }, heading);
  const said = exchange.backend[shown]?.said;
  if (!exchange.answer.startLine) {
    section.append(make("p", { class: "nothing" }, exchange.outcome ? "No answer." : "Nothing yet."));
    return section;
  }
  if (!said?.startLine) {
    section.append(...single(exchange.answer));
    return section;
  }
  const head = compare(headLines(said), headLines(exchange.answer));
  const body = compare(bodyLines(said), bodyLines(exchange.answer));
  if ([...head, ...body].some(({ sign }) => sign !== " ")) {
    heading.append(make("span", { class: "key" }, make("del", {}, "− backend said"), " ", make("ins", {}, "+ Entra got")));
  }
  section.append(...unified(head, "header"), make("div", { class: "gap" }, bodyNote(exchange.answer)), ...unified(body, "body"));
  return section;
}

function unified(changes, part) {
  return beside(changes).flatMap(({ left, right }) => left?.sign === " " ? [line(left, part)]
    : [left && line(left, part), right && line(right, part)].filter(Boolean));
}

// single shows a message that has nothing to be compared with.
function single(message) {
  const plain = (part) => (text) => line({ sign: " ", text, marks: [] }, part);
  return [...headLines(message).map(plain("header")), make("div", { class: "gap" }, bodyNote(message)), ...bodyLines(message).map(plain("body"))];
}

function headLines({ startLine, header }) {
  const names = Object.keys(header ?? {}).sort();
  return [startLine, ...names.flatMap((name) => header[name].map((value) => `${name}: ${value}`))];
}

function bodyLines({ body }) {
  return indent(body);
}

// bodyNote says what the lines of a body cannot.
function bodyNote({ size, binary, truncated, broken, status }) {
  const count = `${size.toLocaleString("en")} ${size === 1 ? "byte" : "bytes"}`;
  if (broken) return status ? `Broken off after ${count}` : `Not read to its end: ${count}`;
  if (binary) return `${count} that are no text`;
  if (truncated) return `The first 65,536 of ${count}`;
  return size === 0 ? "No body" : count;
}

// line shows {sign, text, marks}, or the gap beside a line that only the
// other side has.
function line(content, part) {
  if (content === null) return make("div", { class: "line filler", "aria-hidden": "true" });
  const { sign, text, marks } = content;
  const element = sign === "-" ? "del" : sign === "+" ? "ins" : "span";
  return make("div", { class: `line ${part} ${element}` },
    make("span", { class: "sign", "aria-hidden": "true" }, signText[sign]),
    make(element, { class: "text" }, ...(marks.length > 0 ? marked(text, marks) : tinted(text, part))));
}

function marked(text, marks) {
  let at = 0;
  const parts = marks.flatMap(([from, to]) => {
    const part = [text.slice(at, from), make("mark", {}, text.slice(from, to))];
    at = to;
    return part;
  });
  return [...parts, text.slice(at)];
}

// tinted sets the names apart: of headers, and of attributes in JSON.
function tinted(text, part) {
  const name = part === "header" ? /^[\w-]+:(?= )/.exec(text) : /^\s*"(?:[^"\\]|\\.)*"(?=: )/.exec(text);
  return name ? [make("span", { class: "name" }, name[0]), text.slice(name[0].length)] : [text];
}
