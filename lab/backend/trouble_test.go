package backend

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// serve calls a handler without a network.
func serve(h http.Handler, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, basePath+path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// troubled is a peopled lab whose server has trouble.
func troubled(t testing.TB, trouble *Trouble, start func(*httptest.Server)) *lab {
	t.Helper()
	l := peopled(t)
	l.server.Close()
	l.server = httptest.NewUnstartedServer(trouble.Handler(l.backend))
	l.server.Config.ConnState = trouble.ConnState
	l.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(l.server)
	t.Cleanup(l.server.Close)
	return l
}

func plain(s *httptest.Server)   { s.Start() }
func secured(s *httptest.Server) { s.StartTLS() }
func http2(s *httptest.Server)   { s.EnableHTTP2 = true; s.StartTLS() }

// seen is what a client gets.
type seen struct {
	status int
	header http.Header
	body   string
	err    error // of the body, if there was a status
}

func (l *lab) see(t testing.TB, method, path, body string) seen {
	t.Helper()
	res, err := l.server.Client().Do(l.request(t, method, path, body))
	if err != nil {
		return seen{err: err}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return seen{res.StatusCode, res.Header, string(data), err}
}

// TestHarms holds what a client sees of each harm, over HTTP/1.1 with and
// without TLS and over HTTP/2, and that the next call is all right.
func TestHarms(t *testing.T) {
	const get = "/Users/{jane}"
	reset := func(t *testing.T, _, got seen, proto string) {
		if proto == "HTTP/2" {
			if got.err == nil || got.status != 0 {
				t.Errorf("got %v", got)
			}
			return
		}
		if !errors.Is(got.err, syscall.ECONNRESET) {
			t.Errorf("got %v", got)
		}
	}
	cut := func(length int, promised string) func(*testing.T, seen, seen, string) {
		return func(t *testing.T, right, got seen, proto string) {
			if got.status != 200 || got.err == nil || got.body != right.body[:min(length, len(right.body))] {
				t.Errorf("got %v", got)
			}
			if proto != "HTTP/2" && !errors.Is(got.err, io.ErrUnexpectedEOF) {
				t.Errorf("the body ended with %v", got.err)
			}
			if promise := got.header.Get("Content-Length"); (promise == "") != (promised == "") {
				t.Errorf("Content-Length is %q", promise)
			}
		}
	}
	whole := func(t *testing.T, right, got seen, _ string) {
		if got.status != 200 || got.err != nil || got.body != right.body {
			t.Errorf("got %v", got)
		}
	}
	scim := func(status int, header, value string) func(*testing.T, seen, seen, string) {
		return func(t *testing.T, _, got seen, _ string) {
			if got.status != status || got.header.Get(header) != value || got.err != nil ||
				got.header.Get("Content-Type") != mediaType || !strings.Contains(got.body, errorURN) {
				t.Errorf("got %v", got)
			}
		}
	}
	html := func(status int, holds string) func(*testing.T, seen, seen, string) {
		return func(t *testing.T, _, got seen, _ string) {
			if got.status != status || got.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.body, holds) {
				t.Errorf("got %v", got)
			}
		}
	}
	for _, test := range []struct {
		harm Harm
		want func(t *testing.T, right, got seen, proto string)
	}{
		{Slow(time.Millisecond), whole},
		{SlowBody(5, time.Millisecond), whole},
		{SlowBody(1<<20, time.Hour), whole},
		{CutBody(0), cut(0, "all")},
		{CutBody(20), cut(20, "all")},
		{CutBody(1 << 20), whole},
		{CutChunked(0), cut(0, "")},
		{CutChunked(20), cut(20, "")},
		{CutChunked(1 << 20), whole},
		{Reset(), reset},
		{ResetAfter(), reset},
		{Unauthorized(), scim(401, "WWW-Authenticate", `Bearer realm="scim", error="invalid_token"`)},
		{Refuse(403, "not from here"), scim(403, "Allow", "")},
		{Refuse(503, "asleep"), scim(503, "Retry-After", "")},
		{TooMany(90 * time.Second), scim(429, "Retry-After", "90")},
		{RefuseBare(403), func(t *testing.T, _, got seen, _ string) {
			if got.status != 403 || got.body != "" || got.header.Get("Content-Type") != "" {
				t.Errorf("got %v", got)
			}
		}},
		{LoginPage(), html(200, "password")},
		{ErrorPage(502), html(502, "<h1>Bad Gateway</h1>")},
		{Instead("a teapot", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })),
			func(t *testing.T, _, got seen, _ string) {
				if got.status != 418 {
					t.Errorf("got %v", got)
				}
			}},
	} {
		for proto, start := range map[string]func(*httptest.Server){"HTTP/1.1": plain, "HTTP/1.1 TLS": secured, "HTTP/2": http2} {
			t.Run(proto+" "+test.harm.String(), func(t *testing.T) {
				var trouble Trouble
				l := troubled(t, &trouble, start)
				right := l.see(t, http.MethodGet, get, "")
				if right.status != 200 {
					t.Fatalf("got %v", right)
				}
				l.server.Client().CloseIdleConnections() // so that no call is repeated on a new one
				spell := trouble.Begin(test.harm, When{Next: 1})
				test.want(t, right, l.see(t, http.MethodGet, get, ""), proto)
				if spell.Hits() != 1 {
					t.Errorf("%d hits", spell.Hits())
				}
				if got := l.see(t, http.MethodGet, get, ""); got.status != 200 || got.body != right.body {
					t.Errorf("afterwards: %v", got)
				}
			})
		}
	}
}

// The end of a body is not too late to cut it off, if it is in chunks.
func TestCutAtTheEnd(t *testing.T) {
	var trouble Trouble
	l := troubled(t, &trouble, plain)
	right := l.see(t, http.MethodGet, "/Users/{jane}", "")
	trouble.Begin(CutBody(len(right.body)), When{Next: 1})
	if got := l.see(t, http.MethodGet, "/Users/{jane}", ""); got.err != nil || got.body != right.body {
		t.Errorf("got %v", got)
	}
	trouble.Begin(CutChunked(len(right.body)), When{Next: 1})
	if got := l.see(t, http.MethodGet, "/Users/{jane}", ""); !errors.Is(got.err, io.ErrUnexpectedEOF) || got.body != right.body {
		t.Errorf("in chunks: got %v", got)
	}
}

// What has no body cannot be cut, and HEAD has none.
func TestHarmsWithoutBody(t *testing.T) {
	for _, harm := range []Harm{CutBody(0), CutChunked(0), SlowBody(0, time.Hour)} {
		var trouble Trouble
		l := troubled(t, &trouble, plain)
		trouble.Begin(harm, When{})
		if got := l.see(t, http.MethodHead, "/Users/{jane}", ""); got.status != 200 || got.err != nil {
			t.Errorf("%v: HEAD got %v", harm, got)
		}
		if got := l.see(t, http.MethodDelete, "/Users/{jane}", ""); got.status != 204 || got.err != nil {
			t.Errorf("%v: DELETE got %v", harm, got)
		}
	}
}

// The two resets differ in what has happened.
func TestResetBeforeAndAfter(t *testing.T) {
	for _, test := range []struct {
		harm Harm
		left int
	}{{Reset(), 2}, {ResetAfter(), 1}} {
		var trouble Trouble
		l := troubled(t, &trouble, plain)
		trouble.Begin(test.harm, When{})
		if got := l.see(t, http.MethodDelete, "/Users/{jane}", ""); got.err == nil {
			t.Errorf("%v: got %v", test.harm, got)
		}
		if got := l.backend.Users(); got != test.left {
			t.Errorf("%v: %d users are left", test.harm, got)
		}
	}
}

// A body that stops has begun to arrive, and a client that gives up ends the
// wait: otherwise the server would not close.
func TestSlowBodyOnTheWire(t *testing.T) {
	var trouble Trouble
	l := troubled(t, &trouble, plain)
	trouble.Begin(SlowBody(7, time.Hour), When{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := l.server.Client().Do(l.request(t, http.MethodGet, "/Users/{jane}", "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	begun := make([]byte, 7)
	if _, err := io.ReadFull(res.Body, begun); err != nil || res.ContentLength <= 7 {
		t.Fatalf("%q of %d, %v", begun, res.ContentLength, err)
	}
	cancel()
	if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestWaits measures the waits, in a bubble where that costs nothing.
func TestWaits(t *testing.T) {
	for _, harm := range []Harm{Slow(time.Hour), SlowBody(7, time.Hour)} {
		synctest.Test(t, func(t *testing.T) {
			b, err := New(Options{Token: testToken, BasePath: basePath})
			if err != nil {
				t.Fatal(err)
			}
			var trouble Trouble
			trouble.Begin(harm, When{})
			began := time.Now()
			if w := serve(trouble.Handler(b), http.MethodGet, "/Users"); w.Code != 200 || time.Since(began) != time.Hour {
				t.Errorf("%v: %d after %v", harm, w.Code, time.Since(began))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began = time.Now()
			trouble.Handler(b).ServeHTTP(httptest.NewRecorder(),
				httptest.NewRequest(http.MethodGet, basePath+"/Users", http.NoBody).WithContext(ctx))
			if time.Since(began) != time.Minute {
				t.Errorf("%v: the client was gone for %v", harm, time.Since(began)-time.Minute)
			}
		})
	}
}

// TestWhen holds which calls a spell takes, of ten.
func TestWhen(t *testing.T) {
	for _, test := range []struct {
		name string
		when When
		want string
	}{
		{"all", When{}, "xxxxxxxxxx"},
		{"the next", When{Next: 3}, "xxx......."},
		{"every third", When{Every: 3}, "..x..x..x."},
		{"every third, twice", When{Every: 3, Next: 2}, "..x..x...."},
		{"a share", When{Share: 0.5, Seed: 1}, "x...xxxxxx"},
		{"the same share again", When{Share: 0.5, Seed: 1}, "x...xxxxxx"},
		{"another seed", When{Share: 0.5, Seed: 2}, "xxx...xx.."},
		{"all of a share of 1", When{Share: 1}, "xxxxxxxxxx"},
		{"some paths", When{Match: odd, Every: 2}, "..x...x..."},
		{"no path", When{Match: func(*http.Request) bool { return false }}, ".........."},
	} {
		t.Run(test.name, func(t *testing.T) {
			var trouble Trouble
			handler := trouble.Handler(http.NotFoundHandler())
			spell := trouble.Begin(RefuseBare(503), test.when)
			var got strings.Builder
			for i := range 10 {
				if serve(handler, http.MethodGet, "/"+string(rune('0'+i))).Code == 503 {
					got.WriteString("x")
				} else {
					got.WriteString(".")
				}
			}
			if got.String() != test.want || spell.Hits() != strings.Count(test.want, "x") {
				t.Errorf("got %s and %d hits, want %s", got.String(), spell.Hits(), test.want)
			}
		})
	}
}

func odd(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "0") || r.URL.Path[len(r.URL.Path)-1]%2 == 0
}

// Spells stand in front of each other, and one that answers keeps calls from
// those behind.
func TestSpellsTogether(t *testing.T) {
	var trouble Trouble
	handler := trouble.Handler(http.NotFoundHandler())
	cuts := trouble.Begin(CutBody(1<<20), When{})
	first := trouble.Begin(RefuseBare(503), When{Next: 2})
	second := trouble.Begin(RefuseBare(429), When{Next: 2})
	var got []int
	for range 5 {
		got = append(got, serve(handler, http.MethodGet, "/").Code)
	}
	if want := []int{503, 503, 429, 429, 404}; !slices.Equal(got, want) || first.Hits() != 2 || second.Hits() != 2 || cuts.Hits() != 5 {
		t.Errorf("got %v with %d, %d and %d hits, want %v", got, first.Hits(), second.Hits(), cuts.Hits(), want)
	}
	third := trouble.Begin(LoginPage(), When{})
	third.End()
	third.End()
	cuts.End()
	if w := serve(handler, http.MethodGet, "/"); w.Code != 404 || third.Hits() != 0 || cuts.Hits() != 5 {
		t.Errorf("after the end: %d, %d hits", w.Code, third.Hits())
	}
}

// Views of the backend make faults and rotations that come and go.
func TestTroubleByViews(t *testing.T) {
	var trouble Trouble
	l := troubled(t, &trouble, plain)
	leaky, err := l.backend.WithFaults(MembersLeaked, PlainJSON)
	if err != nil {
		t.Fatal(err)
	}
	const path = "/Groups/{team}?excludedAttributes=members"
	right := l.see(t, http.MethodGet, path, "")
	spell := trouble.Begin(Instead("members leak", leaky), When{Next: 1})
	wrong := l.see(t, http.MethodGet, path, "")
	if !strings.Contains(wrong.body, `"members"`) || wrong.header.Get("Content-Type") != "application/json" || spell.Hits() != 1 {
		t.Errorf("got %v", wrong)
	}
	if again := l.see(t, http.MethodGet, path, ""); again.body != right.body || again.header.Get("Content-Type") != mediaType {
		t.Errorf("afterwards: %v", again)
	}
	rotated := trouble.Begin(Instead("another token", l.backend.WithToken("new")), When{})
	if got := l.see(t, http.MethodGet, path, ""); got.status != 401 {
		t.Errorf("got %v", got)
	}
	rotated.End()
	if got := l.see(t, http.MethodGet, path, ""); got.status != 200 {
		t.Errorf("got %v", got)
	}
	if view, err := l.backend.WithFaults("tired"); err == nil || view != nil {
		t.Errorf("got %v, %v", view, err)
	}
}

func TestTroubleConcurrently(t *testing.T) {
	var trouble Trouble
	l := troubled(t, &trouble, plain)
	harms := []Harm{Reset(), CutBody(3), RefuseBare(503), CloseIdle(0), CloseIdle(time.Hour)}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for round := range 20 {
				spell := trouble.Begin(harms[(worker+round)%len(harms)], When{Next: 1 + round%2})
				l.see(t, http.MethodGet, "/Users", "")
				spell.Hits()
				spell.End()
			}
		})
	}
	wg.Wait()
	if got := l.see(t, http.MethodGet, "/Users", ""); got.status != 200 {
		t.Errorf("afterwards: %v", got)
	}
}
