package window_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/window"
)

func masked(token string) string {
	return fmt.Sprintf("Bearer ••••%.4x", sha256.Sum256([]byte(token)))
}

func TestExchangeHasAllItsParts(t *testing.T) {
	w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "you said %s", body)
	}, window.Options{})
	w.SetStep("create a user")
	if got := w.call(t, "POST", "/scim/Users?a=%22b%22", `{"x":1}`); got != `you said {"x":1}` {
		t.Errorf("Entra got %q", got)
	}
	x := w.Exchanges()[0]
	type view struct {
		Exchange, Sent, Got, Said, Answer string
		Rules                             []string
		Authorization                     []string
	}
	got := view{
		fmt.Sprint(x.ID, " ", x.Method, " ", x.Target, " ", x.Step, " ", x.Status, " ", x.Outcome, " ", x.Logged, " ", x.BackendTime, " ", x.Caller, " ", len(x.Backend)),
		x.Entra.StartLine + "|" + string(x.Entra.Body), x.Backend[0].Got.StartLine + "|" + string(x.Backend[0].Got.Body),
		x.Backend[0].Said.StartLine + "|" + string(x.Backend[0].Said.Body), x.Answer.StartLine + "|" + string(x.Answer.Body),
		x.Rules, []string{x.Entra.Header.Get("Authorization"), x.Backend[0].Got.Header.Get("Authorization")},
	}
	want := view{
		"call-1 POST /scim/Users?a=%22b%22 create a user 201 proxied true 1.5ms sha256:00000001 1",
		`POST /scim/Users?a=%22b%22 HTTP/1.1|{"x":1}`, `POST /scim/Users?a=%22b%22 HTTP/1.1|{"x":1}`,
		`HTTP/1.1 201 Created|you said {"x":1}`, `HTTP/1.1 201 Created|you said {"x":1}`,
		[]string{"op-case", "active-boolean"}, []string{masked(entraToken), masked(backendToken)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if x.Duration <= 0 || x.Start.IsZero() {
		t.Errorf("began %v, took %v", x.Start, x.Duration)
	}
}

func TestOutcomes(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	first := true
	for name, test := range map[string]struct {
		backend          http.HandlerFunc
		target           string
		outcome          string
		status, attempts int
	}{
		"taken":       {answer(204), "/", window.Proxied, 204, 1},
		"not found":   {answer(404), "/", window.Proxied, 404, 1},
		"refused":     {answer(200), "/refuse", window.Refused, 400, 0},
		"backend 503": {answer(503), "/", window.Failed, 503, 1},
		"repeated": {func(w http.ResponseWriter, r *http.Request) {
			if first {
				first = false
				w.WriteHeader(http.StatusUnauthorized)
			}
		}, "/", window.Proxied, 200, 2},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "/", window.Aborted, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.backend, window.Options{})
			response, err := http.Get(w.front.URL + test.target)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(response.Body)
			response.Body.Close()
			if broken := test.outcome == window.Aborted; (err != nil) != broken {
				t.Errorf("reading the answer: %v", err)
			}
			w.front.Close() // waits for the handler
			x := w.Exchanges()[0]
			got := fmt.Sprint(x.Outcome, x.Status, len(x.Backend), w.Totals()[test.outcome])
			if want := fmt.Sprint(test.outcome, test.status, test.attempts, 1); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestManyAtOnceKeepTheirPartsApart(t *testing.T) {
	w := newWorld(t, echo, window.Options{})
	var calls sync.WaitGroup
	for worker := range 16 {
		calls.Go(func() {
			for i := range 12 {
				body := fmt.Sprintf(`{"from":"%d-%d"}`, worker, i)
				if got := w.call(t, "PUT", "/scim/Users/1", body); got != body {
					t.Errorf("got %s, want %s", got, body)
				}
			}
		})
	}
	calls.Wait()
	w.front.Close()
	all := w.Exchanges()
	if len(all) != 16*12 {
		t.Fatalf("%d exchanges", len(all))
	}
	for _, x := range all {
		sent := string(x.Entra.Body)
		if len(x.Backend) != 1 || string(x.Backend[0].Got.Body) != sent || string(x.Backend[0].Said.Body) != sent || string(x.Answer.Body) != sent || !x.Logged {
			t.Errorf("%s: mixed up or incomplete: %+v", x.ID, x)
		}
	}
}

func TestCallsPastTheFrontAreNotRecorded(t *testing.T) {
	w := newWorld(t, echo, window.Options{})
	for _, traceparent := range []string{"", "00-00-00-01"} {
		request, _ := http.NewRequestWithContext(t.Context(), "GET", w.backend.URL, nil)
		if traceparent != "" {
			request.Header.Set("Traceparent", traceparent)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if all := w.Exchanges(); len(all) != 0 {
		t.Errorf("recorded %+v", all)
	}
}

// What is kept is bounded; what passes is not.
func TestLongBodiesPassWholeAndAreCut(t *testing.T) {
	const limit = 64 << 10
	for _, size := range []int{0, 1, limit - 1, limit, limit + 1, 3 * limit} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w := newWorld(t, echo, window.Options{})
			body := strings.Repeat("x", size)
			if got := w.call(t, "POST", "/", body); got != body {
				t.Fatalf("%d bytes came back", len(got))
			}
			w.front.Close()
			w.backend.Close()
			x := w.Exchanges()[0]
			for name, m := range map[string]window.Message{"sent": x.Entra, "got": x.Backend[0].Got, "said": x.Backend[0].Said, "answer": x.Answer} {
				if len(m.Body) != min(size, limit) || m.Size != int64(size) || m.Truncated != (size > limit) || m.Broken {
					t.Errorf("%s: %d bytes kept of %d, truncated %t, broken %t", name, len(m.Body), m.Size, m.Truncated, m.Broken)
				}
			}
		})
	}
}

func TestFacts(t *testing.T) {
	w := newWorld(t, echo, window.Options{Title: "A title", Facts: []window.Fact{{Label: "NORMALIZE", Value: "all"}}})
	events := w.watch(t, "")
	facts := func() string { return fmt.Sprint(events.await(t, "status")["facts"]) }
	if got, want := facts(), "[map[alert:false label:NORMALIZE value:all]]"; got != want {
		t.Errorf("at first: %s", got)
	}
	w.SetFact(window.Fact{Label: "Vault", Value: "away", Alert: true})
	if got, want := facts(), "[map[alert:false label:NORMALIZE value:all] map[alert:true label:Vault value:away]]"; got != want {
		t.Errorf("with a second: %s", got)
	}
	w.SetFact(window.Fact{Label: "Vault", Value: "back"})
	if got := facts(); !strings.Contains(got, "back") || strings.Contains(got, "away") {
		t.Errorf("changed: %s", got)
	}
	w.SetFact(window.Fact{Label: "Vault"})
	if got := facts(); strings.Contains(got, "Vault") {
		t.Errorf("removed: %s", got)
	}
}
