package window

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/window/browser"
)

// lines returns the texts of the marked lines of a side, with their signs.
func lines(b tab, side, kind string) []string {
	b.Helper()
	return browser.Eval[[]string](b.Tab, fmt.Sprintf(`[...document.querySelectorAll("%s .line.%s")].map((line) => line.textContent.replace(/ +/, " "))`, side, kind))
}

func testDifferences(t *testing.T, chromium browser.Browser) {
	var r Recorder
	find(t, "update manager").record(&r, time.Now())
	b := open(t, chromium, &r, Options{})
	b.Press("j", kb.Enter)
	b.Until(`document.querySelector("#detail ins") !== null`)
	sent, got := mask(inventedEntraToken), mask(inventedBackendToken)
	for _, test := range []struct {
		side, kind string
		want       []string
	}{
		{"[aria-labelledby=h-sent]", "del", []string{
			"−PATCH /scim/Users/2819c223-7f76-453a-919d-413861904646 HTTP/1.1",
			"−Authorization: Bearer " + sent, "−Host: scim-proxy.azurewebsites.net",
			`− "op": "Add",`, `− "op": "Replace",`, `− "path": "Active",`, `− "value": "False"`,
			`− "op": "Add",`, `− "{\"id\":\"18d14569\",\"value\":\"Reader\"}"`,
			`− "op": "Replace",`, `− "value": {`, `− "displayName": "Megan Bowen"`, `− }`,
		}},
		{"[aria-labelledby=h-got]", "ins", []string{
			"+PATCH /rest/scim/v2/Users/2819c223-7f76-453a-919d-413861904646 HTTP/1.1", "+Accept: application/scim+json",
			"+Authorization: Bearer " + got, "+Host: scim.corp.example.com",
			`+ "op": "add",`, `+ "op": "replace",`, `+ "path": "active",`, `+ "value": false`,
			`+ "op": "add",`, `+ {`, `+ "value": "Reader"`, `+ }`,
			`+ "op": "replace",`, `+ "path": "displayName",`, `+ "value": "Megan Bowen"`,
		}},
		{"[aria-labelledby=h-back]", "del", []string{"−Content-Length: 213", `− "active": "false",`}},
		{"[aria-labelledby=h-back]", "ins", []string{"+Content-Length: 211", `+ "active": false,`}},
		{"[aria-labelledby=h-sent]", "ins", []string{}},
		{"[aria-labelledby=h-got]", "del", []string{}},
	} {
		if diff := cmp.Diff(test.want, lines(b, test.side, test.kind)); diff != "" {
			t.Errorf("%s %s: %s", test.side, test.kind, diff)
		}
	}
	// Not by colour alone, and on grounds of their own.
	if got := browser.Eval[[]string](b.Tab, `["del", "ins", "span"].map((kind) => getComputedStyle(document.querySelector(".line." + kind)).backgroundColor)`); got[0] == got[1] || got[0] == got[2] || got[1] == got[2] {
		t.Errorf("grounds %q", got)
	}
	// Lines that belong together stand side by side.
	if got := browser.Eval[[]float64](b.Tab, `["sent", "got"].map((side) => [...document.querySelectorAll("[aria-labelledby=h-" + side + "] .line")].find((line) => line.textContent.includes('"path": "emails')).getBoundingClientRect().top)`); got[0] != got[1] {
		t.Errorf("side by side at %v", got)
	}
	if swap := browser.Eval[string](b.Tab, `document.querySelector(".swap").textContent`); swap != "TokenEntra’s Bearer "+sent+"→the backend’s Bearer "+got {
		t.Errorf("swap %q", swap)
	}
	if got := browser.Eval[string](b.Tab, `document.querySelector(".fired").textContent`); got != "5 rulesdocs/rules.md#op-case#attribute-case#pathless-split#active-boolean#roles-json" {
		t.Errorf("rules %q", got)
	}
}

// compareCheck tries the comparison and the layout of JSON on texts of a seeded
// generator, and returns what is wrong.
const compareCheck = `import("./diff.js").then(({ compare, beside, indent }) => {
	const wrong = [];
	let state = 1;
	const below = (n) => (state = (state * 48271) % 2147483647) % n;
	const some = () => Array.from({ length: below(9) }, () => "abc"[below(3)]);
	const common = (a, b) => a.length && b.length ? a[0] === b[0] ? 1 + common(a.slice(1), b.slice(1))
		: Math.max(common(a.slice(1), b), common(a, b.slice(1))) : 0;
	for (let i = 0; i < 500; i++) {
		const a = some(), b = some(), changes = compare(a, b);
		const left = changes.filter((c) => c.sign !== "+").map((c) => c.left), right = changes.filter((c) => c.sign !== "-").map((c) => c.right);
		const same = changes.filter((c) => c.sign === " ").length;
		if (left.join() !== a.join() || right.join() !== b.join()) wrong.push("loses lines: " + a + " / " + b);
		if (same !== common(a, b)) wrong.push("finds " + same + " in common: " + a + " / " + b);
		const rows = beside(changes);
		const sides = ["left", "right"].map((side) => rows.map((row) => row[side]).filter(Boolean).map((line) => line.text).join());
		if (sides[0] !== a.join() || sides[1] !== b.join()) wrong.push("loses lines side by side: " + a + " / " + b);
	}
	const many = (letter) => Array.from({ length: 5000 }, (_, i) => letter + i);
	if (compare(many("a"), many("b")).length !== 10000) wrong.push("too long a comparison loses lines");
	for (const [text, want] of [
		['{"a":1.0,"a":12345678901234567890,"b":[],"c":{},"d":[1,"x, {y}: \\"z\\""]}',
			'{|  "a": 1.0,|  "a": 12345678901234567890,|  "b": [],|  "c": {},|  "d": [|    1,|    "x, {y}: \\"z\\""|  ]|}'],
		["", ""], ["a\nb", "a|b"], ['{"cut":"in the mid', '{|  "cut": "in'], ["[", "[|  "],
	]) {
		const got = indent(text).join("|");
		if (!got.startsWith(want)) wrong.push("lays out " + text + " as " + got);
	}
	for (const [a, b, left, right] of [
		['"active": "False"', '"active": false', '"False"', "false"],
		["PATCH /scim/Users/1 HTTP/1.1", "PATCH /rest/scim/v2/Users/1 HTTP/2.0", "1.1", "rest/|v2/|2.0"],
		["x-y", "z", "", ""], ['{', '"a": 1', "", ""], ["", "", "", ""],
	]) {
		const [row] = beside([{ sign: "-", left: a }, { sign: "+", right: b }]);
		const marked = ({ text, marks }) => marks.map(([from, to]) => text.slice(from, to)).join("|");
		if (marked(row.left) !== left || marked(row.right) !== right) wrong.push("marks " + JSON.stringify(row));
	}
	const members = (n, other) => JSON.stringify({ members: Array.from({ length: n }, (_, i) => ({ value: i === 3 || i === n - 3 ? other + i : "m" + i })) });
	const changed = compare(indent(members(900, "a")), indent(members(900, "b"))).filter((change) => change.sign !== " ").length;
	if (changed !== 4) wrong.push("two of 900 members differ, and it finds " + changed + " lines");
	for (const long of ["[".repeat(65536), "[" + "1,".repeat(32767), "\n".repeat(65536), '["' + "\\u".repeat(20000)]) {
		const got = indent(long);
		if (got.length > 4001 || got.some((line) => line.length > 65536)) wrong.push(got.length + " lines of " + long.slice(0, 9));
	}
	return wrong;
})`

func testCompare(t *testing.T, chromium browser.Browser) {
	b := open(t, chromium, new(Recorder), Options{})
	for _, complaint := range browser.Eval[[]string](b.Tab, compareCheck) {
		t.Error(complaint)
	}
}
