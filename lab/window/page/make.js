// Makes elements. Text always arrives as text: nothing here parses markup.

const svgNamespace = "http://www.w3.org/2000/svg";

// make returns an element with attributes and children. Attributes that are
// null or false are left out, true is an empty one, and functions are listeners.
// Children that are null are left out.
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

// draw does the same for an element of SVG.
export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// duration writes milliseconds for a person.
export function duration(ms) {
  if (ms >= 10000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 100 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

// clock writes a time of day, in milliseconds since 1970.
export function clock(start) {
  const time = new Date(start);
  const two = (n) => String(n).padStart(2, "0");
  const ms = String(time.getMilliseconds()).padStart(3, "0");
  return [`${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`, `.${ms}`];
}

// signs tell outcomes apart without colour.
export const signs = { proxied: "●", refused: "◆", failed: "▲", aborted: "✕", open: "○" };

// badge shows status and outcome.
export function badge(exchange) {
  const outcome = exchange.outcome || "open";
  return make("span", { class: `badge ${outcome}` },
    make("span", { class: "sign", "aria-hidden": "true" }, signs[outcome]),
    make("span", { class: "code" }, exchange.status ? String(exchange.status) : "···"),
    make("span", { class: "word" }, outcome === "open" ? "open" : outcome));
}
