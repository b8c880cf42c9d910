// Draws the last minute: how calls ended, and how long they took.
import { draw, duration, make, signs } from "./make.js";

const width = 300, height = 60, step = 5;

export class Charts {
  constructor(root) {
    this.calls = root.querySelector("#calls");
    this.latency = root.querySelector("#latency");
  }

  // show draws a pulse of the stream.
  show(pulse) {
    this.#showCalls(pulse);
    this.#showLatency(pulse);
  }

  #showCalls({ now, outcomes, seconds }) {
    const sums = outcomes.map((_, i) => seconds.reduce((sum, second) => sum + second.by[i], 0));
    const highest = Math.max(4, ...seconds.map((second) => second.by.reduce((a, b) => a + b, 0)));
    const bars = [];
    for (const second of seconds) {
      let top = height;
      second.by.forEach((count, i) => {
        if (count === 0) return;
        const tall = Math.max(1, (count / highest) * (height - 2));
        top -= tall;
        bars.push(draw("rect", { class: outcomes[i], x: place(second.t, now), y: top, width: step - 1, height: tall }));
      });
    }
    paint(this.calls, bars, [[`${highest}/s`, 2]]);
    legend(this.calls, outcomes.map((outcome, i) => [outcome, signs[outcome], String(sums[i]), outcome]));
    const total = sums.reduce((a, b) => a + b, 0);
    const parts = outcomes.map((outcome, i) => `${sums[i]} ${outcome}`).join(", ");
    describe(this.calls, total === 0 ? "No calls in the last minute." : `${total} calls in the last minute: ${parts}.`);
  }

  #showLatency({ now, seconds, p50, p95 }) {
    // Logarithmic, from 1 ms: one slow call would press all others to the ground.
    const decades = Math.max(2, Math.ceil(Math.log10(Math.max(1, ...seconds.map((second) => second.p95)))));
    const level = (ms) => height - (Math.log10(Math.max(1, ms)) / decades) * (height - 2);
    const marks = [];
    for (const second of seconds) {
      const x = place(second.t, now), upper = level(second.p95), median = level(second.p50);
      marks.push(
        draw("rect", { class: "range", x, y: upper, width: step - 1, height: Math.max(1.5, median - upper) }),
        draw("rect", { class: "median", x, y: median - 1, width: step - 1, height: 2 }));
    }
    paint(this.latency, marks, Array.from({ length: decades }, (_, i) => 10 ** (i + 1)).map((ms) => [ms < 1000 ? `${ms} ms` : `${ms / 1000} s`, level(ms)]));
    const none = seconds.length === 0;
    legend(this.latency, [
      ["median", "", none ? "–" : duration(p50), "p50"],
      ["range", "", none ? "–" : duration(p95), "p95"],
    ]);
    describe(this.latency, none ? "No calls in the last minute."
      : `In the last minute, half of the calls took at most ${duration(p50)}, and 95 of 100 at most ${duration(p95)}.`);
  }
}

function place(unix, now) {
  return width - (now - unix + 1) * step;
}

// paint draws shapes over a scale: a line and a label at each height.
function paint(figure, shapes, scale) {
  const rule = (kind, y) => draw("line", { class: kind, x1: 0, x2: width, y1: y, y2: y });
  figure.querySelector("svg").replaceChildren(rule("base", height), ...scale.map(([, y]) => rule("grid", y)), ...shapes);
  figure.querySelector(".scale").replaceChildren(...scale.map(([label, y]) => {
    const item = make("span", {}, label);
    item.style.top = `${(y / height) * 100}%`;
    return item;
  }));
}

function legend(figure, entries) {
  figure.querySelector(".legend").replaceChildren(...entries.map(([kind, sign, value, label]) =>
    make("li", { class: kind }, make("span", { class: "sign", "aria-hidden": "true" }, sign), make("b", {}, value), ` ${label}`)));
}

function describe(figure, text) {
  figure.querySelector("svg").setAttribute("aria-label", text);
}
