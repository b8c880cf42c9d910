// Package browser drives pages of this machine in a headless Chromium, as a
// person with mouse and keys does. It is for tests.
package browser

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Limits that only what hangs comes near, also on a machine that lags.
const (
	browserLimit = 8 * time.Minute // of all tests in one browser
	untilLimit   = time.Minute     // of one wait for the page
)

// Step is something to do in a tab.
type Step = chromedp.Action[chromedp.Void]

// Browser is a headless Chromium.
type Browser struct {
	ctx context.Context //nolint:containedctx // a chromedp context is the browser itself
}

// Launch starts a browser for all the tabs of a test, which it ends with. It
// skips the test where there is no Chromium.
func Launch(t *testing.T) Browser {
	t.Helper()
	path := chromium(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), browserLimit)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, append(flags(t), chromedp.ExecPath(path))...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for the process to end
			t.Errorf("end the browser: %v", err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return Browser{ctx}
}

// Tab is a tab with a page in it. When the test ends, it fails if the page wrote
// to the console or asked for anything that is not of its origin.
type Tab struct {
	*testing.T
	// Forgive is what complaints have that do not count; empty forgives nothing.
	Forgive string

	ctx    context.Context //nolint:containedctx // a chromedp context is the tab itself
	origin string

	mu         sync.Mutex
	complaints []string
}

// Open opens a page in a new tab of 1400 by 900 pixels, in which it does what
// comes before the page. The origin, such as http://127.0.0.1:7072, serves the
// page at its root.
func (b Browser) Open(t *testing.T, origin string, before ...Step) *Tab {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	t.Cleanup(end)
	tab := &Tab{T: t, ctx: ctx, origin: origin}
	if err := chromedp.Listen(ctx, tab.listen); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tab.complain)
	tab.Do(append(append([]Step{chromedp.EmulateViewport(1400, 900)}, before...), chromedp.Navigate(origin+"/"))...)
	return tab
}

// chromium finds the browser, or skips.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium in PATH, so nothing tests the page in a browser; install one, on Debian with: apt-get install chromium")
	return ""
}

// flags keep the browser to itself: no user's profile, no network but loopback.
func flags(t *testing.T) []chromedp.ExecAllocatorOption {
	options := []chromedp.ExecAllocatorOption{
		chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("force-color-profile", "srgb"),
	}
	for _, name := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-default-apps", "disable-extensions", "disable-dev-shm-usage", "hide-scrollbars", "mute-audio",
		"disable-background-timer-throttling", "disable-renderer-backgrounding",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	return options
}

// listen notes what a page must never do.
func (t *Tab) listen(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		t.complaints = append(t.complaints, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		t.complaints = append(t.complaints, fmt.Sprintf("console: %s %+v", e.Type, e.Args))
	case *log.EventEntryAdded:
		t.complaints = append(t.complaints, "browser's log: "+e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, t.origin+"/") && !strings.HasPrefix(url, "data:") {
			t.complaints = append(t.complaints, "request to "+url)
		}
	}
}

func (t *Tab) complain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, complaint := range t.complaints {
		if t.Forgive == "" || !strings.Contains(complaint, t.Forgive) {
			t.Error(complaint)
		}
	}
}

// Do takes steps, one after the other.
func (t *Tab) Do(steps ...Step) {
	t.Helper()
	if err := chromedp.Do(t.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// Eval returns the value of an expression in the page, or what it promises.
func Eval[T any](t *Tab, expression string) T {
	t.Helper()
	value, err := chromedp.Run(t.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Until waits for an expression to be true. The page's policy forbids what
// chromedp.Poll does: it makes functions of text.
func (t *Tab) Until(expression string) {
	t.Helper()
	const wait = `new Promise((resolve) => {
		const end = Date.now() + %d;
		(function look() { (%s) ? resolve(true) : Date.now() > end ? resolve(false) : setTimeout(look, 10); })();
	})`
	if !Eval[bool](t, fmt.Sprintf(wait, untilLimit.Milliseconds(), expression)) {
		t.Fatalf("never true: %s", expression)
	}
}

// Press presses keys as a person does, one after the other.
func (t *Tab) Press(keys ...string) {
	t.Helper()
	for _, key := range keys {
		if len(key) > 1 || key < " " {
			t.Do(chromedp.KeyEvent(key))
			continue
		}
		// As one event: for chromedp a character is one of its own, which comes
		// even if the page has taken the key for itself.
		for _, event := range []input.DispatchKeyEventParams{
			{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key}, {Type: input.DispatchKeyEventTypeKeyUp, Key: key},
		} {
			if _, err := chromedp.Call(t.ctx, input.DispatchKeyEvent, event); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Picture returns what the tab shows, as a PNG.
func (t *Tab) Picture() []byte {
	t.Helper()
	picture, err := chromedp.Run(t.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// Media sets features that style sheets ask for.
func Media(features ...*emulation.MediaFeature) Step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	})
}

// Scheme sets the colour scheme that the person prefers: light or dark.
func Scheme(name string) Step {
	return Media(&emulation.MediaFeature{Name: "prefers-color-scheme", Value: name})
}
