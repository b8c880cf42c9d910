package window

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/window/browser"
)

// TestPage looks at the page as a person does: in a browser.
func TestPage(t *testing.T) {
	chromium := browser.Launch(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, browser.Browser)
	}{
		{"shows exchanges live", testLive},
		{"is worked with keys alone", testKeys},
		{"marks what differs", testDifferences},
		{"says what was refused", testRefused},
		{"shows each call to the backend", testCalls},
		{"pauses", testPause},
		{"has contrast", testContrast},
		{"fits a narrow screen", testNarrow},
		{"comes back", testReconnect},
		{"comes back to another server", testRestart},
		{"keeps up", testBurst},
		{"says what is forgotten", testForgotten},
		{"is quiet", testQuiet},
		{"keeps still for who wants it", testReducedMotion},
		{"names everything", testNames},
		{"takes text for text", testMarkup},
		{"compares lines", testCompare},
		{"draws the last minute", testCharts},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, chromium) })
	}
}

// tab is a tab of the browser with the page in it, and the page's server.
type tab struct {
	*browser.Tab
	server  *httptest.Server
	handler *atomic.Value // an http.Handler
}

// open serves a page of the recorder and opens it in a new tab, in which it does
// what comes before the page.
func open(t *testing.T, chromium browser.Browser, recorder *Recorder, options Options, before ...browser.Step) tab {
	t.Helper()
	streams, end := context.WithCancel(t.Context())
	var handler atomic.Value
	handler.Store(New(recorder, options))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Load().(http.Handler).ServeHTTP(w, r)
	}))
	server.Config.BaseContext = func(net.Listener) context.Context { return streams }
	server.Start()
	t.Cleanup(func() { end(); server.Close() })
	b := chromium.Open(t, server.URL, before...)
	b.Until(`document.querySelector("#link").dataset.state === "live" && document.querySelector("#count").textContent !== ""`)
	return tab{b, server, &handler}
}

// find returns the invented call with a step.
func find(t *testing.T, step string) played {
	t.Helper()
	for _, call := range inventedCalls() {
		if call.step == step {
			return call
		}
	}
	t.Fatalf("no step %q", step)
	return played{}
}

const rowTexts = `[...document.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent).join("|"))`

func testLive(t *testing.T, chromium browser.Browser) {
	var r Recorder
	b := open(t, chromium, &r, labOptions())
	if !browser.Eval[bool](b.Tab, `document.querySelector("#empty").checkVisibility()`) {
		t.Error("an empty table says nothing")
	}
	if got := browser.Eval[string](b.Tab, `document.querySelector("#facts").innerText.replace(/\s+/g, " ")`); got != "Tenant URL http://127.0.0.1:7071/scim?aadOptscim062020 NORMALIZE all Backend strict" {
		t.Errorf("facts %q", got)
	}
	began := time.Now()
	slow := find(t, "add member")
	slow.took = 1500 * time.Millisecond
	slow.record(&r, began)
	b.Until(`document.querySelectorAll("tbody tr").length === 1`)
	find(t, "update manager").record(&r, began)
	b.Until(rowTexts + `[1]?.includes("2 calls") && ` + rowTexts + `[0].includes("+2")`)
	got := browser.Eval[[]string](b.Tab, rowTexts)
	for i, row := range got {
		_, got[i], _ = strings.Cut(row, "|") // its time
	}
	if diff := cmp.Diff([]string{
		"PATCH|/scim/Users/2819c223-7f76-453a-919d-413861904646|●200proxied|21.4 ms|op-caseattribute-casepathless-split+2|update manager",
		"PATCH|/scim/Groups/e9e30dba-f08f-4109-8486-d5c6a331660a|●204proxied|1.50 s|2 callsop-casemember-ref-null|add member",
	}, got); diff != "" {
		t.Error(diff)
	}
	if browser.Eval[bool](b.Tab, `document.querySelector("#empty").checkVisibility()`) {
		t.Error("a table with rows says that it is empty")
	}
}

const focused = `(({ id, tagName, dataset }) => [tagName, id, dataset.name ?? "", dataset.id ? [...document.querySelectorAll("tbody tr")].indexOf(document.activeElement) : ""].join(" ").trim())(document.activeElement)`

func testKeys(t *testing.T, chromium browser.Browser) {
	var r Recorder
	ran := make(chan struct{}, 1)
	options := Options{Actions: []Action{
		{Name: "off", Label: "Off", Hint: "Nothing.", Disabled: "Not in this set-up.", Run: func(context.Context) (string, error) { t.Error("ran"); return "", nil }},
		{Name: "cycle", Label: "Run a cycle", Hint: "All of it.", Run: func(context.Context) (string, error) { ran <- struct{}{}; return "28 calls", nil }},
	}}
	for _, call := range inventedCalls() {
		call.record(&r, time.Now())
	}
	b := open(t, chromium, &r, options)
	at := func(want string) {
		t.Helper()
		b.Until(fmt.Sprintf("%s === %q", focused, want))
	}
	// A button: the skip link, one that is off, and the one.
	b.Press(kb.Tab, kb.Tab)
	at("BUTTON  off")
	b.Press(kb.Enter, kb.Tab)
	at("BUTTON  cycle")
	b.Press(kb.Enter)
	<-ran
	b.Until(`document.querySelector("#said").textContent === "Run a cycle: 28 calls" && document.querySelector("#said").role === "status"`)

	// Filter, move, open, read, close.
	b.Press("/")
	at("INPUT filter")
	b.Press("p", "a", "t", "c", "h", " ", "o", "p", "-", "c")
	b.Until(`document.querySelector("#count").textContent === "10 of 32" && document.querySelectorAll("tbody tr").length === 10`)
	b.Press(kb.Enter)
	at("TR   0")
	b.Press("j", kb.ArrowDown, "k", kb.End)
	at("TR   9")
	b.Press(kb.Home)
	at("TR   0")
	b.Press(kb.ArrowUp)
	at("TR   0")
	b.Press("j", kb.Enter)
	at("H2 detail-title")
	b.Until(`document.querySelector("#detail-title").textContent.startsWith("PATCH /scim/Groups/")`)
	b.Until(`document.querySelectorAll("tr[aria-selected=true]").length === 1`)
	b.Press("j") // the detail follows
	b.Until(`document.querySelector("#detail-title").textContent.startsWith("PATCH /scim/Users/")`)
	at("TR   2")
	b.Press(kb.Escape)
	b.Until(`document.querySelector("#detail").hidden && document.querySelector("tr[aria-selected=true]") === null`)
	at("TR   2")
	if got := browser.Eval[int](b.Tab, `document.querySelectorAll("tbody tr[tabindex='0']").length`); got != 1 {
		t.Errorf("%d rows in the tab order", got)
	}

	// Out of the filter again, the list of keys, and keys switched off.
	b.Press("/", kb.Escape)
	b.Until(`document.querySelector("#filter").value === "" && document.querySelectorAll("tbody tr").length === 32`)
	b.Press(kb.Escape, "?")
	b.Until(`document.querySelector("#keys").open`)
	b.Press(" ", kb.Escape) // the box has the focus
	b.Until(`!document.querySelector("#keys").open && !document.querySelector("#letters").checked`)
	b.Press("?", "p", "/")
	if browser.Eval[bool](b.Tab, `document.querySelector("#keys").open || document.querySelector("#pause").ariaPressed === "true" || document.activeElement.id === "filter"`) {
		t.Error("characters are keys although they are switched off")
	}
}

func testRefused(t *testing.T, chromium browser.Browser) {
	var r Recorder
	find(t, "empty group").record(&r, time.Now())
	b := open(t, chromium, &r, Options{})
	b.Press("j", kb.Enter)
	b.Until(`!document.querySelector("#detail").hidden`)
	if got := browser.Eval[string](b.Tab, `document.querySelector(".notice").textContent`); got != "invalid_valueCause: operation 1: a remove with null for membersRemedy: find the attribute mapping in Entra that makes the operation that the cause names" {
		t.Errorf("notice %q", got)
	}
	if got := browser.Eval[string](b.Tab, `document.querySelector("[aria-labelledby=h-got] .nothing").textContent`); got != "Nothing: the proxy did not call the backend." {
		t.Errorf("backend %q", got)
	}
	if got := browser.Eval[string](b.Tab, `document.querySelector("[aria-labelledby=h-back]").textContent`); !strings.Contains(got, `"scimType": "invalidValue",`) {
		t.Errorf("answer %q", got)
	}
}

func testCalls(t *testing.T, chromium browser.Browser) {
	var r Recorder
	find(t, "add member").record(&r, time.Now())
	b := open(t, chromium, &r, Options{})
	b.Press("j", kb.Enter)
	b.Until(`document.querySelector(".calls [aria-pressed=true]")?.textContent === "2: PATCH 204"`)
	b.Do(chromedp.Focus(".calls button"))
	b.Press(kb.Enter)
	b.Until(`document.querySelector(".calls [aria-pressed=true]").textContent === "1: PATCH 401" && document.activeElement.textContent === "1: PATCH 401"`)
	if got := lines(b, "[aria-labelledby=h-back]", "del"); len(got) == 0 || got[0] != "−HTTP/1.1 401 Unauthorized" {
		t.Errorf("the first call said %q", got)
	}
}

func testPause(t *testing.T, chromium browser.Browser) {
	var r Recorder
	b := open(t, chromium, &r, Options{})
	call := find(t, "remove user")
	call.record(&r, time.Now())
	b.Until(`document.querySelectorAll("tbody tr").length === 1`)
	b.Press("j", "p")
	for range 3 {
		call.record(&r, time.Now())
	}
	b.Until(`document.querySelector("#pause").textContent === "Follow (3 new)" && document.querySelector("#pause").ariaPressed === "true"`)
	if got := browser.Eval[int](b.Tab, `document.querySelectorAll("tbody tr").length`); got != 1 {
		t.Errorf("%d rows while paused", got)
	}
	b.Press("p")
	b.Until(`document.querySelectorAll("tbody tr").length === 4 && document.querySelector("#pause").textContent === "Pause"`)
	// The row that had the focus has it still.
	if got := browser.Eval[string](b.Tab, focused); got != "TR   3" {
		t.Errorf("focus on %q", got)
	}
}

func testCharts(t *testing.T, chromium browser.Browser) {
	var r Recorder
	b := open(t, chromium, &r, Options{})
	label := func(id string) string {
		return fmt.Sprintf(`document.querySelector("#%s svg").getAttribute("aria-label")`, id)
	}
	if got := browser.Eval[string](b.Tab, label("calls")); got != "No calls in the last minute." {
		t.Errorf("at first: %q", got)
	}
	for i, step := range []string{"remove user", "remove user", "empty group", "update manager"} {
		call := find(t, step)
		call.took = 20 * time.Millisecond
		call.record(&r, time.Now().Add(-time.Duration(10*i)*time.Second))
	}
	b.Until(label("calls") + ` === "4 calls in the last minute: 3 proxied, 1 refused, 0 failed, 0 aborted."`)
	b.Until(label("latency") + ` === "In the last minute, half of the calls took at most 20.0 ms, and 95 of 100 at most 20.0 ms."`)
	if got := browser.Eval[string](b.Tab, `document.querySelector("#calls .legend").textContent`); got != "●3 proxied◆1 refused▲0 failed✕0 aborted" {
		t.Errorf("legend %q", got)
	}
	if got := browser.Eval[[]int](b.Tab, `["#calls rect.proxied", "#calls rect.refused", "#latency rect.median"].map((s) => document.querySelectorAll(s).length)`); !cmp.Equal(got, []int{3, 1, 4}) {
		t.Errorf("drawn: %v", got)
	}
}

func testReconnect(t *testing.T, chromium browser.Browser) {
	var r Recorder
	b := open(t, chromium, &r, Options{})
	find(t, "remove user").record(&r, time.Now())
	b.Until(`document.querySelectorAll("tbody tr").length === 1`)
	b.Forgive = "net::ERR_" // the browser's own word on it
	b.server.CloseClientConnections()
	b.Until(`document.querySelector("#link").textContent === "Disconnected, trying again"`)
	find(t, "remove user").record(&r, time.Now())
	b.Until(`document.querySelector("#link").textContent === "Live" && document.querySelectorAll("tbody tr").length === 2`)
}

// What peers send is text, also where it looks like markup.
func testMarkup(t *testing.T, chromium browser.Browser) {
	const markup = `<img src=x onerror=alert(1)><script>alert(2)</script>`
	var r Recorder
	b := open(t, chromium, &r, Options{Title: markup, Facts: []Fact{{Label: markup, Value: markup}}})
	played{
		step: markup, method: "GET", target: "/" + markup, status: 200, rules: markup, class: markup, cause: markup, remedy: markup,
		body: markup, said: `{"` + markup + `":1}`,
	}.record(&r, time.Now())
	b.Press("j", kb.Enter)
	b.Until(`document.querySelectorAll("tbody tr").length === 1`)
	b.Press("j", kb.Enter)
	b.Until(`document.querySelector("#detail .line") !== null`)
	if got := browser.Eval[int](b.Tab, `document.querySelectorAll("img, script:not([src='app.js'])").length`); got != 0 {
		t.Errorf("%d elements out of text", got)
	}
	if got := browser.Eval[int](b.Tab, `document.body.innerText.split("<img src=x onerror=alert(1)>").length - 1`); got < 8 {
		t.Errorf("the text is there %d times", got)
	}
}

// A lab that was started again counts from one: what it says is not taken for
// what the one before said.
func testRestart(t *testing.T, chromium browser.Browser) {
	var before, after Recorder
	before.begin(Exchange{ID: "1", Target: "/old"}, "", nil)
	before.begin(Exchange{ID: "2", Target: "/old"}, "", nil)
	b := open(t, chromium, &before, Options{})
	b.Press("j")
	b.Forgive = "net::ERR_" // the browser's own word on it
	after.begin(Exchange{ID: "2", Target: "/new/2"}, "", nil)
	after.begin(Exchange{ID: "1", Target: "/new/1"}, "", nil)
	b.handler.Store(New(&after, Options{}))
	b.server.CloseClientConnections()
	b.Until(`[...document.querySelectorAll("td.path")].map((cell) => cell.textContent).join() === "/new/1,/new/2"`)
	b.Until(`document.activeElement.tagName === "TR"`) // the focus is where it was
}

// The end of a burst is what is shown, and what comes later too.
func testBurst(t *testing.T, chromium browser.Browser) {
	var r Recorder
	b := open(t, chromium, &r, Options{})
	for i := range 4 * keep {
		r.begin(Exchange{ID: fmt.Sprint(i), Target: fmt.Sprint("/", i)}, "", nil)
		if i%100 == 0 { // somebody works with it meanwhile
			b.Press("j")
		}
	}
	const newest = `document.querySelector("td.path")?.textContent === "/%d" && document.querySelectorAll("tbody tr").length === %d`
	b.Until(fmt.Sprintf(newest, 4*keep-1, keep))
	r.begin(Exchange{ID: "last", Target: "/0"}, "", nil)
	b.Until(fmt.Sprintf(newest, 0, keep))
}

func testForgotten(t *testing.T, chromium browser.Browser) {
	var r Recorder
	r.begin(Exchange{ID: "first", Target: "/first"}, "", nil)
	b := open(t, chromium, &r, Options{})
	b.Press("p")
	for i := range 2 * keep {
		r.begin(Exchange{ID: fmt.Sprint(i)}, "", nil)
	}
	b.Until(`document.querySelector("#count").textContent === "500"`)
	b.Forgive = "404"
	b.Press("j", kb.Enter)
	b.Until(`document.querySelector("#detail .notice")?.textContent === "The exchange is no longer remembered."`)
}

// Who listens to the page is told what comes of their own doing, and not of
// every call. What is told at length leaves room for the rest.
func testQuiet(t *testing.T, chromium browser.Browser) {
	var r Recorder
	long := Action{Name: "long", Label: "Talk", Run: func(context.Context) (string, error) { return strings.Repeat("at length ", 300), nil }}
	b := open(t, chromium, &r, Options{Actions: []Action{long}})
	find(t, "remove user").record(&r, time.Now())
	const live = `[...document.querySelectorAll("[role=status]")].map((element) => element.textContent).join("|")`
	b.Until(`document.querySelector("#count").textContent === "1"`)
	if got := browser.Eval[string](b.Tab, live); got != "Live||" {
		t.Errorf("a call is announced: %q", got)
	}
	b.Press("/", "z")
	b.Until(live + ` === "Live||0 of 1 exchanges"`)
	b.Do(chromedp.Click("#actions button"))
	b.Until(`document.querySelector("#said").dataset.state === "done"`)
	if got := browser.Eval[float64](b.Tab, `document.querySelector(".deck").offsetHeight`); got > 300 {
		t.Errorf("the answer takes %v pixels", got)
	}
}
