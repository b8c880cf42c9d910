// Compares messages line by line.

// longest is how many lines of a body are laid out.
const longest = 4000;
// deepest is as far as they are indented.
const deepest = 40;
// most bounds the table of a comparison, in cells of two bytes: two of the
// longest bodies, with their last lines. What is larger counts as replaced
// altogether.
const most = (longest + 2) ** 2;

// compare returns the shortest way from one list of lines to another: a list of
// {sign, left, right}, with the sign " " for a line of both, "-" for a line of
// the left and "+" for one of the right.
export function compare(left, right) {
  let head = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head++;
  let tail = 0;
  while (tail < left.length - head && tail < right.length - head &&
    left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail++;
  const same = (text) => ({ sign: " ", left: text, right: text });
  return [
    ...left.slice(0, head).map(same),
    ...middle(left.slice(head, left.length - tail), right.slice(head, right.length - tail)),
    ...left.slice(left.length - tail).map(same),
  ];
}

function middle(left, right) {
  const changes = [];
  let i = 0, j = 0;
  if ((left.length + 1) * (right.length + 1) <= most) {
    const common = lengths(left, right);
    const width = right.length + 1;
    while (i < left.length && j < right.length) {
      if (left[i] === right[j]) changes.push({ sign: " ", left: left[i++], right: right[j++] });
      else if (common[(i + 1) * width + j] >= common[i * width + j + 1]) changes.push({ sign: "-", left: left[i++] });
      else changes.push({ sign: "+", right: right[j++] });
    }
  }
  while (i < left.length) changes.push({ sign: "-", left: left[i++] });
  while (j < right.length) changes.push({ sign: "+", right: right[j++] });
  return changes;
}

// lengths returns, for each pair of positions, how many lines the rests have in
// common at most.
function lengths(left, right) {
  const width = right.length + 1;
  const table = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      table[i * width + j] = left[i] === right[j]
        ? table[(i + 1) * width + j + 1] + 1
        : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  return table;
}

// beside puts changes next to each other: rows of {left, right}, each of them
// {sign, text, marks} or null. The marks, each [from, to], are what differs
// between two lines that took each other's place.
export function beside(changes) {
  const rows = [];
  let removed = [], added = [];
  const flush = () => {
    for (let i = 0; i < Math.max(removed.length, added.length); i++) {
      const [a, b] = [removed[i], added[i]];
      const [left, right] = a !== undefined && b !== undefined ? differing(a, b) : [[], []];
      rows.push({
        left: a === undefined ? null : { sign: "-", text: a, marks: left },
        right: b === undefined ? null : { sign: "+", text: b, marks: right },
      });
    }
    removed = [];
    added = [];
  };
  for (const change of changes) {
    if (change.sign === "-") removed.push(change.left);
    else if (change.sign === "+") added.push(change.right);
    else {
      flush();
      const line = { sign: " ", text: change.left, marks: [] };
      rows.push({ left: line, right: line });
    }
  }
  flush();
  return rows;
}

// differing returns where two lines differ, word by word; nowhere, if they have
// no word in common.
function differing(a, b) {
  const changes = compare(words(a), words(b));
  if (!changes.some(({ sign, left }) => sign === " " && /\w/.test(left))) return [[], []];
  const at = { "-": 0, "+": 0 }, marks = { "-": [], "+": [] };
  for (const { sign, left, right } of changes) {
    const { length } = left ?? right;
    if (sign === " ") {
      at["-"] += length;
      at["+"] += length;
      continue;
    }
    const from = at[sign], last = marks[sign].at(-1);
    at[sign] += length;
    // Dots and blanks between two words that differ are not worth a gap.
    if (last && !/\w/.test((sign === "-" ? a : b).slice(last[1], from))) last[1] = at[sign];
    else marks[sign].push([from, at[sign]]);
  }
  return [marks["-"], marks["+"]];
}

function words(text) {
  return text.match(/[\w-]+|\s+|[^\w\s-]/g) ?? [];
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+|"/g;

// indent lays JSON out in lines. It changes nothing but the blanks between
// tokens: numbers keep their digits, and a name that is there twice stays so.
// What does not begin like JSON is only split into lines.
export function indent(text) {
  if (text === "") return [];
  if (!/^\s*[{[]/.test(text)) {
    const lines = text.split(/\r?\n/);
    return lines.length > longest ? [...lines.slice(0, longest), "… and more"] : lines;
  }
  const lines = [];
  let line = "", depth = 0;
  const next = () => {
    lines.push(line);
    line = "  ".repeat(Math.min(depth, deepest));
  };
  const tokens = text.match(token);
  for (let i = 0; i < tokens.length; i++) {
    if (lines.length === longest) return [...lines, "… and more"];
    const here = tokens[i], following = tokens[i + 1];
    if (here === "{" || here === "[") {
      line += here;
      if (following === (here === "{" ? "}" : "]")) {
        line += following;
        i++;
      } else {
        depth++;
        next();
      }
    } else if (here === "}" || here === "]") {
      depth = Math.max(0, depth - 1);
      next();
      line += here;
    } else if (here === ",") {
      line += here;
      next();
    } else line += here === ":" ? ": " : here;
  }
  lines.push(line);
  return lines;
}
