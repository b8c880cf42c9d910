package window_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/window"
)

// DNS rebinding: a site's own name may resolve to this machine.
func TestOnlyNamesOfThisMachine(t *testing.T) {
	handler := window.New(new(window.Recorder), window.Options{})
	for host, want := range map[string]int{
		"127.0.0.1:7070": 200, "localhost:7070": 200, "LOCALHOST": 200, "[::1]:7070": 200, "[::1]": 200, "127.8.9.1": 200,
		"": 421, "example.com": 421, "example.com:7070": 421, "localhost.example.com": 421, "127.0.0.1.example.com": 421,
		"10.0.0.1:7070": 421, "0.0.0.0:7070": 421, "[::]:7070": 421, "127.0.0.1:7070:1": 421,
	} {
		for _, path := range []string{"/", "/app.js", "/exchanges/x"} {
			request := httptest.NewRequest("GET", path, nil)
			request.Host = host
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			if got := answer.Code; (got == 421) != (want == 421) {
				t.Errorf("%s of %q: %d", path, host, got)
			}
		}
	}
}

// Cross-site request forgery: other sites press no buttons.
func TestOtherSitesPressNoButtons(t *testing.T) {
	ran := 0
	run := func(context.Context) (string, error) { ran++; return "", nil }
	w := newWorld(t, echo, window.Options{Actions: []window.Action{{Name: "a", Run: run}}})
	for name, test := range map[string]struct {
		header http.Header
		want   int
	}{
		"the page":                 {http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		"the page, older browser":  {http.Header{"Origin": {w.page.URL}}, 200},
		"no browser":               {nil, 200},
		"another site":             {http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"another port":             {http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		"another, older browser":   {http.Header{"Origin": {"https://example.com"}}, 403},
		"a sandbox, older browser": {http.Header{"Origin": {"null"}}, 403},
	} {
		before := ran
		request, _ := http.NewRequestWithContext(t.Context(), "POST", w.page.URL+"/actions/a", nil)
		request.Header = test.header
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.want || (ran > before) != (test.want == 200) {
			t.Errorf("%s: %d, ran %t", name, response.StatusCode, ran > before)
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	w := newWorld(t, echo, window.Options{})
	for request, want := range map[string]int{
		"GET /": 200, "GET /style.css": 200, "GET /app.js": 200, "GET /table.js": 200, "GET /detail.js": 200,
		"GET /diff.js": 200, "GET /charts.js": 200, "GET /make.js": 200,
		"GET /index.html": 404, "GET /page/app.js": 404, "GET /favicon.ico": 404, "GET /window.go": 404, "GET /exchanges": 404,
		"GET /exchanges/none": 404, "GET /actions/none": 405, "POST /actions/none": 404, "POST /": 405, "PUT /events": 405,
		"GET /debug/pprof/": 404,
	} {
		method, path, _ := strings.Cut(request, " ")
		r, _ := http.NewRequestWithContext(t.Context(), method, w.page.URL+path, nil)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d, want %d", request, response.StatusCode, want)
		}
		policy := response.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;") {
			t.Errorf("%s: policy %q", request, policy)
		}
		if response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: header %v", request, response.Header)
		}
		if want == 200 && len(body) == 0 {
			t.Errorf("%s: empty", request)
		}
	}
}

// press runs an action as the page does.
func (w *world) press(t *testing.T, name string) (status int, reply map[string]string) {
	t.Helper()
	response, err := http.Post(w.page.URL+"/actions/"+name, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, reply
}

func TestActions(t *testing.T) {
	w := newWorld(t, echo, window.Options{Actions: []window.Action{
		{Name: "good", Run: func(context.Context) (string, error) { return "went well", nil }},
		{Name: "bad", Run: func(context.Context) (string, error) { return "", errors.New("went badly") }},
		{Name: "off", Disabled: "not here", Run: func(context.Context) (string, error) { t.Error("ran"); return "", nil }},
	}})
	for name, want := range map[string]string{
		"good": "200 map[message:went well]", "bad": "200 map[error:went badly]",
		"off": "409 map[error:not here]", "none": "404 map[error:There is no such action.]",
	} {
		status, reply := w.press(t, name)
		if got := fmt.Sprint(status, " ", reply); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// An action runs once at a time, every page sees that it does, and others may
// run next to it.
func TestOneRunOfAnActionAtATime(t *testing.T) {
	started, end := make(chan struct{}), make(chan struct{})
	w := newWorld(t, echo, window.Options{Actions: []window.Action{
		{Name: "long", Run: func(context.Context) (string, error) {
			started <- struct{}{}
			<-end
			return "", nil
		}},
		{Name: "other", Run: func(context.Context) (string, error) { return "", nil }},
	}})
	events := w.watch(t, "")
	running := func() bool {
		return events.await(t, "status")["actions"].([]any)[0].(map[string]any)["running"].(bool)
	}
	if running() {
		t.Error("running before it was pressed")
	}
	await := func(want bool) {
		for running() != want {
			continue
		}
	}
	for range 2 {
		done := make(chan int)
		go func() { // ends with the action
			status, _ := w.press(t, "long")
			done <- status
		}()
		<-started
		await(true)
		if status, reply := w.press(t, "long"); status != 409 || reply["error"] == "" {
			t.Errorf("a second run: %d %v", status, reply)
		}
		if status, _ := w.press(t, "other"); status != 200 {
			t.Errorf("another action: %d", status)
		}
		end <- struct{}{}
		if status := <-done; status != 200 {
			t.Errorf("the first run: %d", status)
		}
		await(false)
	}
}

func TestActionsMustBeUsable(t *testing.T) {
	run := func(context.Context) (string, error) { return "", nil }
	for name, actions := range map[string][]window.Action{
		"no name": {{Run: run}}, "no Run": {{Name: "a"}}, "twice": {{Name: "a", Run: run}, {Name: "a", Run: run}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			window.New(new(window.Recorder), window.Options{Actions: actions})
		}()
	}
}
