package window

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"example.com/entra-scim-proxy/lab/window/browser"
)

// contrasts finds every text on the page whose contrast with its ground is less
// than 4.5 (WCAG 2.2, 1.4.3). Colours are read through a canvas, which knows all
// of their notations.
const contrasts = `(() => {
	const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
	const read = (colours) => {
		context.clearRect(0, 0, 1, 1);
		for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
		return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
	};
	const luminance = (rgb) => {
		const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const found = [];
	let texts = 0;
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let node; (node = walker.nextNode());) {
		const element = node.parentElement;
		if (node.textContent.trim() === "" || !element.checkVisibility()) continue;
		texts++;
		const grounds = [];
		for (let e = element; e; e = e.parentElement) grounds.unshift(getComputedStyle(e).backgroundColor);
		const [a, b] = [luminance(read([...grounds, getComputedStyle(element).color])), luminance(read(grounds))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) found.push(ratio.toFixed(2) + " " + element.className + ": " + node.textContent.slice(0, 40));
	}
	const style = getComputedStyle(document.documentElement);
	const panel = luminance(read([style.getPropertyValue("--panel")]));
	for (const fill of ["proxied", "refused", "failed", "aborted", "range"]) { // 1.4.11: graphics need 3
		const drawn = luminance(read([style.getPropertyValue("--" + fill + "-fill")]));
		const ratio = (Math.max(drawn, panel) + 0.05) / (Math.min(drawn, panel) + 0.05);
		if (!(ratio >= 3)) found.push(ratio.toFixed(2) + " fill of " + fill);
	}
	return [String(texts), read(["black", getComputedStyle(document.body).backgroundColor]).join(), ...new Set(found)];
})()`

func testContrast(t *testing.T, chromium browser.Browser) {
	var r Recorder
	r.SetFact(Fact{Label: "Vault", Value: "away", Alert: true})
	for _, call := range inventedCalls() {
		call.record(&r, time.Now())
	}
	b := open(t, chromium, &r, labOptions())
	b.Until(`document.querySelectorAll("tbody tr").length === 32`)
	measure := func(what string, least int) {
		t.Helper()
		grounds := map[string]bool{}
		for _, name := range []string{"light", "dark"} {
			b.Do(browser.Scheme(name))
			got := browser.Eval[[]string](b.Tab, contrasts)
			if texts, err := strconv.Atoi(got[0]); err != nil || texts < least {
				t.Errorf("%s, %s: only %s texts", name, what, got[0])
			}
			grounds[got[1]] = true
			for _, found := range got[2:] {
				t.Errorf("%s, %s: %s", name, what, found)
			}
		}
		if len(grounds) != 2 {
			t.Errorf("grounds %v: light and dark are the same", grounds)
		}
	}
	b.Do(chromedp.Click("#actions button"))
	b.Until(`document.querySelector("#said").dataset.state === "done"`)
	measure("table", 300)
	b.Press("k", kb.Enter)
	b.Until(`document.querySelector("#detail ins mark") !== null`)
	measure("detail", 400)
	b.Press("j", "j", "j", "j", "p")
	b.Until(`document.querySelector(".notice") !== null`)
	measure("notice", 300)
	b.Press("?")
	b.Until(`document.querySelector("#keys").open`)
	measure("keys", 300)
}

func testNarrow(t *testing.T, chromium browser.Browser) {
	var r Recorder
	r.SetFact(Fact{Label: "Vault", Value: strings.Repeat("long", 40), Alert: true})
	for _, call := range inventedCalls() {
		call.record(&r, time.Now())
	}
	b := open(t, chromium, &r, labOptions())
	b.Until(`document.querySelectorAll("tbody tr").length === 32`)
	for _, width := range []int64{320, 360, 768, 1024} {
		b.Do(chromedp.EmulateViewport(width, 740))
		b.Until(fmt.Sprintf(`innerWidth === %d`, width))
		fits := func(what string) {
			t.Helper()
			if got := browser.Eval[[]float64](b.Tab, `[document.documentElement.scrollWidth, innerWidth, ...[...document.querySelectorAll(".scroll, #detail")].filter((e) => !e.hidden).map((e) => e.scrollWidth - e.clientWidth)]`); got[0] > got[1] || got[2] > 0 || len(got) > 3 && got[3] > 0 {
				t.Errorf("%d pixels, %s: overflows %v", width, what, got)
			}
		}
		fits("table")
		b.Press("k", kb.Enter) // the newest
		b.Until(`document.querySelector("#detail ins") !== null`)
		fits("detail")
		// Three messages: one below the other where there is no room for more.
		boxes := browser.Eval[[][4]float64](b.Tab, `[...document.querySelectorAll("#detail .side")].map((side) => side.getBoundingClientRect()).map(({ left, right, top, bottom }) => [left, right, top, bottom])`)
		for i, box := range boxes {
			if wide := box[1] - box[0]; box[0] < 0 || box[1] > float64(width) || wide < float64(width)/4 || width < 900 && (wide < float64(width)*0.9 || i > 0 && box[2] < boxes[i-1][3]) {
				t.Errorf("%d pixels: message %d of %d at %v", width, i+1, len(boxes), box)
			}
		}
		if len(boxes) != 3 {
			t.Errorf("%d messages", len(boxes))
		}
		if !browser.Eval[bool](b.Tab, `(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.querySelector("#detail .close").getBoundingClientRect())`) {
			t.Errorf("%d pixels: no way to close", width)
		}
		b.Press(kb.Escape)
		b.Until(`document.querySelector("#detail").hidden`)
	}
}

func testReducedMotion(t *testing.T, chromium browser.Browser) {
	const animation = `getComputedStyle(document.querySelector("#link"), "::before").animationName`
	b := open(t, chromium, new(Recorder), Options{})
	if got := browser.Eval[string](b.Tab, animation); got == "none" {
		t.Error("nothing moves, which this test is about")
	}
	b.Do(browser.Media(&emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"}))
	b.Until(animation + ` === "none"`)
}

// Whatever can be used, or stands for something, has a name.
func testNames(t *testing.T, chromium browser.Browser) {
	var r Recorder
	for _, call := range inventedCalls() {
		call.record(&r, time.Now())
	}
	b := open(t, chromium, &r, labOptions())
	b.Until(`document.querySelectorAll("tbody tr").length === 32`)
	b.Press("j", kb.Enter)
	b.Until(`document.querySelector("#detail ins") !== null`)
	var tree accessibility.GetFullAXTreeResult
	b.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		tree, err = cdp.Call(ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		return err
	}))
	seen := map[string]int{}
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		role := strings.Trim(string(node.Role.Value), `"`)
		seen[role]++
		switch role {
		case "button", "searchbox", "grid", "row", "image", "img", "link", "columnheader", "region", "dialog", "heading":
			if node.Name == nil || strings.Trim(string(node.Name.Value), `" `) == "" {
				t.Errorf("a %s without a name", role)
			}
		}
	}
	for role, least := range map[string]int{"button": 7, "searchbox": 1, "grid": 1, "row": 33, "columnheader": 7, "gridcell": 7 * 32, "status": 3, "insertion": 5, "deletion": 5} {
		if seen[role] < least {
			t.Errorf("%d of role %s; all: %v", seen[role], role, seen)
		}
	}
	if images := seen["image"] + seen["img"]; images < 2 {
		t.Errorf("%d charts; all: %v", images, seen)
	}
}
