package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/window"
)

// shown is a window onto a stand with a vault.
type shown struct {
	*testing.T
	page     *page
	recorder *window.Recorder
}

func newShown(t *testing.T) *shown {
	t.Helper()
	needVault(t)
	strict, _ := profile.ByName("strict")
	recorder := &window.Recorder{}
	s, err := setUp(t.Context(), runOptions{app: app(t), profile: strict}, recorder, recorder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p, err := openWindow(s, strict, recorder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return &shown{t, p, recorder}
}

// press presses a button, which has to say what matches.
func (s *shown) press(name, want string) {
	s.Helper()
	response, err := http.Post(s.page.url+"actions/"+name, "", nil)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	var said struct{ Message, Error string }
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		s.Fatal(err)
	}
	if text := said.Message + said.Error; !regexp.MustCompile(want).MatchString(text) {
		s.Errorf("%s: got %d, %q, want %s", name, response.StatusCode, text, want)
	}
}

// since are the exchanges with that step, each with its end and its line of the
// log, which both may come a little later than the answer.
func (s *shown) since(step string) (list []window.Exchange) {
	s.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list = slices.DeleteFunc(s.recorder.Exchanges(), func(e window.Exchange) bool { return !strings.HasPrefix(e.Step, step) })
		if !slices.ContainsFunc(list, func(e window.Exchange) bool { return !e.Logged || e.Outcome == "" }) {
			return list
		}
		if time.Now().After(deadline) {
			s.Fatalf("some of %d exchanges have no end, or no line of the log", len(list))
		}
	}
}

func TestButtons(t *testing.T) {
	s := newShown(t)
	s.press("disable", `^nobody is provisioned yet: run a cycle first$`)
	s.press("cycle", `^users: \d+ created; groups: 4 created; members: \d+ added; managers: \d+ set; calls: \d+$`)
	for _, e := range s.since("cycle 1") {
		if len(e.Backend) != 1 || e.Outcome != window.Proxied {
			t.Errorf("%s %s: %s, %d calls to the backend", e.Method, e.Target, e.Outcome, len(e.Backend))
		}
	}
	s.press("cycle", `^users: .*; calls: \d+; after: .*joiner`)

	s.press("disable", `^.+ is blocked: users: 1 disabled; calls: 4$`)
	patched := false
	for _, e := range s.since("disable ") {
		if e.Method == http.MethodPatch {
			patched = strings.Contains(string(e.Entra.Body), "false") && e.Status == http.StatusOK
		}
	}
	if !patched {
		t.Errorf("none of %d exchanges is a PATCH that disabled anybody", len(s.since("disable ")))
	}

	before := s.since("disable ")[0]
	s.press("rotate", `^Both tokens are replaced, and Test Connection succeeds$`)
	after := s.since("after the rotation")
	if len(after) != 2 || after[1].Caller == before.Caller || after[1].Credential == before.Credential {
		t.Errorf("after %d calls the tokens are still those of before", len(after))
	}

	s.press("vault", `^The vault is away$`)
	s.press("cycle", `; calls: \d+`)
	s.press("vault", `^The vault is back$`)
}

// The window is a guest: where its port is taken, it takes another one.
func TestWindowTakesAnotherPort(t *testing.T) {
	first, err := listenNear(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	port := regexp.MustCompile(`\d+$`).FindString(first.Addr().String())
	var taken int
	if err := json.Unmarshal([]byte(port), &taken); err != nil {
		t.Fatal(err)
	}
	second, err := listenNear(t.Context(), taken)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if first.Addr().String() == second.Addr().String() || !strings.HasPrefix(second.Addr().String(), "127.0.0.1:") {
		t.Errorf("got %s beside %s", second.Addr(), first.Addr())
	}
}
