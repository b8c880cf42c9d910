// Joins the page's parts: the stream of events, the keys, the buttons.
import { Charts } from "./charts.js";
import { Detail } from "./detail.js";
import { Table } from "./table.js";
import { make } from "./make.js";

const $ = (selector) => document.querySelector(selector);

const charts = new Charts(document);
const detail = new Detail($("#detail"), { close: closeDetail });
const table = new Table(document, {
  open: (id) => openDetail(id),
  moved: (id) => { if (detail.id !== null) openDetail(id); },
  changed: showCount,
});

// --- the chosen exchange

function openDetail(id, { focus = false } = {}) {
  if (id === null) return; // nothing has come yet
  table.mark(id);
  document.body.classList.add("opened");
  detail.show(id, { focus });
}

function closeDetail() {
  const id = detail.id;
  if (id === null) return;
  document.body.classList.remove("opened");
  table.mark(null);
  detail.hide();
  table.focus(id);
}

// --- the stream

let source;

function connect() {
  source = new EventSource("events");
  source.addEventListener("open", () => setLink("live", "Live"));
  source.addEventListener("error", () => {
    setLink("lost", "Disconnected, trying again");
    // The browser tries again by itself, except after an answer it cannot use.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
  listen("status", showStatus);
  listen("pulse", (pulse) => charts.show(pulse));
  listen("exchanges", (news) => {
    table.take(news);
    if (news.rows.some((row) => row.id === detail.id)) detail.show(detail.id);
  });
}

function listen(event, take) {
  source.addEventListener(event, ({ data }) => take(JSON.parse(data)));
}

function setLink(state, text) {
  const link = $("#link");
  if (link.dataset.state === state) return;
  link.dataset.state = state;
  link.textContent = text;
}

function showStatus({ title, facts, actions }) {
  document.title = title;
  $("#title").textContent = title;
  $("#facts").replaceChildren(...facts.map(({ label, value, alert }) =>
    make("div", { class: alert ? "alert" : null }, make("dt", {}, label), make("dd", {}, alert ? `⚠ ${value}` : value))));
  $(".actions").hidden = actions.length === 0;
  showActions(actions);
}

// --- the buttons

// showActions keeps the buttons that are there: one of them may have the focus.
function showActions(actions) {
  const known = new Map([...$("#actions").children].map((button) => [button.dataset.name, button]));
  $("#actions").append(...actions.filter(({ name }) => !known.has(name)).map(({ name }) =>
    make("button", { type: "button", "data-name": name, click: () => run(name) }, make("b"), make("span"))));
  for (const button of $("#actions").children) {
    const action = actions.find(({ name }) => name === button.dataset.name);
    button.querySelector("b").textContent = action.label;
    button.querySelector("span").textContent = action.disabled || (action.running ? "Running…" : action.hint);
    // Not the attribute disabled: nobody could get there to read why.
    button.setAttribute("aria-disabled", String(action.disabled !== "" || action.running));
    button.setAttribute("aria-busy", String(action.running));
  }
}

async function run(name) {
  const button = [...$("#actions").children].find((one) => one.dataset.name === name);
  const label = button.querySelector("b").textContent;
  if (button.getAttribute("aria-disabled") === "true") return;
  say(`${label}: running…`, "running");
  try {
    const answer = await fetch(`actions/${encodeURIComponent(name)}`, { method: "POST" });
    const { message, error } = await answer.json();
    say(`${label}: ${error || message || "done"}`, error ? "failed" : "done");
  } catch (error) {
    say(`${label}: no answer (${error.message})`, "failed");
  }
}

function say(text, state) {
  $("#said").textContent = text;
  $("#said").dataset.state = state;
}

// --- filter, pause, keys

const filter = $("#filter");
filter.addEventListener("input", () => look(filter.value));
$("#pause").addEventListener("click", togglePause);
$("#help").addEventListener("click", () => $("#keys").showModal());

function togglePause() {
  table.paused = !table.paused;
  $("#pause").setAttribute("aria-pressed", String(table.paused));
  showCount();
}

function showCount() {
  const { shown, all, unseen } = table.counts;
  $("#count").textContent = shown === all || table.paused ? `${all}` : `${shown} of ${all}`;
  $("#pause").textContent = !table.paused ? "Pause" : unseen === 0 ? "Follow" : `Follow (${unseen} new)`;
}

const letters = $("#letters");

const keys = {
  ArrowDown: () => table.move(1),
  ArrowUp: () => table.move(-1),
  Home: () => table.move(-Infinity),
  End: () => table.move(Infinity),
  Enter: () => openDetail(table.active, { focus: true }),
  Escape: closeDetail,
};

// Whoever types by voice can switch these off
// (https://www.w3.org/WAI/WCAG22/Understanding/character-key-shortcuts).
const letterKeys = {
  j: keys.ArrowDown,
  k: keys.ArrowUp,
  p: togglePause,
  "/": () => filter.select(),
  "?": () => $("#keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || $("#keys").open) return;
  if (event.target === filter) {
    if (event.key === "Escape") leaveFilter(event);
    else if (event.key === "Enter" || event.key === "ArrowDown") table.focus(table.active);
    else return;
    event.preventDefault();
    return;
  }
  const inTable = event.target.closest?.("tbody") !== null;
  const act = keys[event.key] ?? (letters.checked ? letterKeys[event.key] : undefined);
  // Elsewhere, Enter presses buttons and the arrows scroll.
  if (!act || !inTable && event.key.length > 1 && event.key !== "Escape") return;
  event.preventDefault();
  act();
});

function leaveFilter() {
  if (filter.value === "") {
    filter.blur();
    return;
  }
  filter.value = "";
  look("");
}

// look filters, and says what was found: not what comes in later, which would
// never end.
function look(text) {
  table.filter(text);
  const { shown, all } = table.counts;
  $("#found").textContent = `${shown} of ${all} exchanges`;
}

connect();
