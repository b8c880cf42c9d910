package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/window"
	"example.com/entra-scim-proxy/lab/window/browser"
)

var update = flag.Bool("update", false, "write docs/window-light.png and docs/window-dark.png")

// TestBrowser uses the window of a stand as a person does: in a browser, with
// the packaged proxy at work behind it.
func TestBrowser(t *testing.T) {
	chromium := browser.Launch(t)
	t.Run("with the mouse", func(t *testing.T) { testMouse(t, chromium) })
	t.Run("with keys alone", func(t *testing.T) { testKeys(t, chromium) })
}

// openBrowser opens the window of a strict backend, to which Entra speaks its
// default dialect: the proxy has most to do there.
func openBrowser(t *testing.T, chromium browser.Browser) *browser.Tab {
	t.Helper()
	needVault(t)
	system, _ := profile.ByName("strict")
	system.Entra.Flag = false
	port := 0
	if *update {
		port = 7071 // as it is for a person
	}
	recorder := new(window.Recorder)
	s, err := setUp(t.Context(), runOptions{app: app(t), profile: system, port: port}, recorder, recorder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p, err := openWindow(s, system, recorder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	tab := chromium.Open(t, strings.TrimSuffix(p.url, "/"))
	tab.Until(`document.querySelector("#link").dataset.state === "live" && document.querySelectorAll("#actions button").length === 4`)
	return tab
}

const (
	rows = `document.querySelectorAll("tbody tr").length`
	said = `document.querySelector("#said").textContent`
	// vaultFact is what the page says of the vault; empty if nothing.
	vaultFact = `([...document.querySelectorAll("#facts div")].find((fact) => fact.textContent.startsWith("Vault"))?.textContent ?? "")`
	// allIn is true once each exchange that is shown has ended.
	allIn = rows + ` > 0 && document.querySelector("tbody tr.open") === null`
)

func testMouse(t *testing.T, chromium browser.Browser) {
	tab := openBrowser(t, chromium)
	click := func(selector, wantSaid string) {
		t.Helper()
		tab.Do(chromedp.Click(selector))
		tab.Until(said + `.startsWith("` + wantSaid + `")`)
	}
	click(`#actions [data-name=cycle]`, "Run a cycle: users: 24 created; ")
	tab.Until(allIn)
	if got := browser.Eval[[]string](tab, `[...document.querySelectorAll("tbody tr:not(.proxied)")].map((row) => row.textContent)`); len(got) > 0 {
		t.Errorf("not everything went through: %q", got)
	}
	tab.Do(chromedp.Click(`tbody tr`))
	tab.Until(`document.querySelector("#detail ins") !== null`)
	tab.Do(chromedp.Click(`#detail .close`))
	tab.Until(`document.querySelector("#detail").hidden`)
	click(`#actions [data-name=vault]`, "Take the vault away, or bring it back: The vault is away")
	tab.Until(vaultFact + `.includes("away since")`)
	click(`#actions [data-name=vault]`, "Take the vault away, or bring it back: The vault is back")
	tab.Until(vaultFact + ` === ""`)
}

// keyboard is a person without a mouse.
type keyboard struct{ *browser.Tab }

// press goes to a button with the tab key and presses it, until the page says
// what it wants.
func (k keyboard) press(name, want string) {
	k.Helper()
	browser.Eval[any](k.Tab, `document.activeElement.blur()`) // and Tab begins at the top
	for range 20 {
		k.Press(kb.Tab)
		if browser.Eval[string](k.Tab, `document.activeElement.dataset.name ?? ""`) == name {
			k.Press(kb.Enter)
			k.Until(said + `.includes("` + want + `") && document.querySelector("#actions [aria-busy=true]") === null`)
			return
		}
	}
	k.Fatalf("the button %s cannot be reached with keys", name)
}

// open filters, and opens the newest exchange that is left.
func (k keyboard) open(words string) {
	k.Helper()
	k.Press(kb.Escape, "/")
	k.Until(`document.activeElement.id === "filter"`)
	k.Press(strings.Split(words, "")...)
	k.Until(`document.querySelector("#count").textContent.includes(" of ") && ` + allIn)
	k.Press(kb.Enter, kb.Enter)
	k.Until(`document.querySelector(".swap") !== null && document.activeElement.id === "detail-title"`)
}

// marked are the lines of a side that differ, without blanks and sign.
func (k keyboard) marked(side, kind string) []string {
	k.Helper()
	return browser.Eval[[]string](k.Tab, `[...document.querySelectorAll("[aria-labelledby=h-`+side+`] .line.`+kind+` .text")].map((line) => line.textContent.trim())`)
}

func testKeys(t *testing.T, chromium browser.Browser) {
	k := keyboard{openBrowser(t, chromium)}
	k.press("cycle", "users: 24 created; ")
	k.Until(allIn)

	k.press("disable", " is blocked: users: 1 disabled")
	k.open("disable patch")
	for side, want := range map[string][]string{
		"sent": {`"op": "Replace",`, `"value": "False"`},
		"got":  {`"op": "replace",`, `"value": false`},
	} {
		got := k.marked(side, map[string]string{"sent": "del", "got": "ins"}[side])
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("%s: %q is not marked, only %q", side, line, got)
			}
		}
	}
	if got := browser.Eval[string](k.Tab, `document.querySelector(".fired").textContent`); !strings.Contains(got, "#op-case#active-boolean") {
		t.Errorf("rules %q", got)
	}
	before := browser.Eval[string](k.Tab, `document.querySelector(".swap").textContent`)

	k.press("rotate", "Both tokens are replaced, and Test Connection succeeds")
	k.open("rotation")
	if after := browser.Eval[string](k.Tab, `document.querySelector(".swap").textContent`); after == before {
		t.Errorf("after the rotation the tokens are still %q", after)
	}

	k.press("vault", "The vault is away")
	k.Until(vaultFact + `.includes("away since")`)
	rounds := 1
	if *update {
		rounds = 18 // of three seconds: the charts show a minute
	}
	for range rounds {
		k.press("cycle", " calls")
		if *update {
			time.Sleep(3 * time.Second)
		}
	}
	// A call to look the resource up, and then the PATCH.
	k.open("patch users")
	for !browser.Eval[bool](k.Tab, `document.activeElement.textContent.includes("missing-target")`) {
		k.Press("j")
	}
	k.Until(`document.querySelector(".fired").textContent.includes("#missing-target")`)
	if got := browser.Eval[string](k.Tab, `document.querySelector(".calls").textContent`); got != "1: GET 2002: PATCH 200" {
		t.Errorf("calls %q", got)
	}
	takePictures(k)

	k.press("vault", "The vault is back")
	k.Until(vaultFact + ` === ""`)
}

// takePictures writes those of the documentation, if asked to.
func takePictures(k keyboard) {
	if !*update {
		return
	}
	// The body tells more than the notes, which the row has as well.
	browser.Eval[any](k.Tab, `document.querySelector("#detail").scrollTop = document.querySelector("#detail .notes").offsetHeight + 10`)
	for _, scheme := range []string{"light", "dark"} {
		k.Do(browser.Scheme(scheme))
		if err := os.WriteFile(filepath.Join("..", "docs", "window-"+scheme+".png"), k.Picture(), 0o644); err != nil {
			k.Fatal(err)
		}
	}
}
