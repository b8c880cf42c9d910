package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/entra-scim-proxy/proxy"
)

const checkReport = `{"result":"pass"}`

// checking lets the check answer with the report, and counts its runs.
func checking(runs *atomic.Int32) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Check = func(context.Context) ([]byte, error) { runs.Add(1); return []byte(checkReport), nil }
	}
}

func TestCheckAnswersTheHolderOfTheTokenOnly(t *testing.T) {
	for name, test := range map[string]struct {
		authorization string
		status        int
		runs          int32
	}{
		"token":        {"Bearer " + entraToken, 200, 1},
		"wrong token":  {"Bearer wrong", 401, 0},
		"backend's":    {"Bearer " + backendToken, 401, 0},
		"no token":     {"", 401, 0},
		"other scheme": {"Basic " + entraToken, 401, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var runs atomic.Int32
			w := newWorld(t, setup{options: checking(&runs)})
			got := w.raw(t, "GET", "GET /scim/.well-known/check?x=1 HTTP/1.1\r\nHost: a\r\nAuthorization: "+test.authorization+"\r\n\r\n")
			if got.StatusCode != test.status || runs.Load() != test.runs || len(w.requests()) != 0 {
				t.Errorf("%d, %d runs, the backend saw %v", got.StatusCode, runs.Load(), w.requests())
			}
			if test.runs == 0 {
				return
			}
			if got.body != checkReport || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v %s", got.Header, got.body)
			}
			if line := w.line(t); line["answer"] != "check" || line["route"] != "/.well-known/{id}" || line["class"] != nil {
				t.Errorf("%v", line)
			}
		})
	}
}

func TestCheckTakesGETOnly(t *testing.T) {
	for _, method := range []string{"HEAD", "POST", "PATCH", "DELETE"} {
		var runs atomic.Int32
		w := newWorld(t, setup{options: checking(&runs)})
		got := w.call(t, method, "/scim/.well-known/check", "")
		if got.StatusCode != 405 || got.Header.Get("Allow") != "GET" || runs.Load() != 0 || len(w.requests()) != 0 {
			t.Errorf("%s: %d, Allow %q, %d runs, %v", method, got.StatusCode, got.Header.Get("Allow"), runs.Load(), w.requests())
		}
		if method != "HEAD" && !strings.Contains(got.body, "The check answers GET, and no other method.") {
			t.Errorf("%s: %s", method, got.body)
		}
	}
}

func TestCheckIsBelowThePublicPath(t *testing.T) {
	for path, targets := range map[string]map[string]bool{
		"/":     {"/.well-known/check": true, "/scim/.well-known/check": false},
		"/scim": {"/scim/.well-known/check": true, "/scim/.well-known/check/": false, "/scim/.well-known/checks": false, "/scim/x/.well-known/check": false},
	} {
		for target, isCheck := range targets {
			var runs atomic.Int32
			w := newWorld(t, setup{path: path, base: "/base", options: checking(&runs)})
			w.call(t, "GET", target, "")
			if (runs.Load() == 1) != isCheck || (len(w.requests()) == 0) != isCheck {
				t.Errorf("%s: %d runs, %v", target, runs.Load(), w.requests())
			}
		}
	}
	w := newWorld(t, setup{})
	if w.call(t, "GET", "/scim/.well-known/check", ""); len(w.requests()) != 1 {
		t.Error("without a check the path is not the backend's")
	}
}

// asked asks a proxy for its check without a socket, so that time can stand still.
func asked(handler http.Handler) *httptest.ResponseRecorder {
	request := httptest.NewRequest("GET", "/.well-known/check", nil)
	request.Header.Set("Authorization", "Bearer old")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestCheckRunsOnceInHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		s := newStage(t, func(o *proxy.Options) {
			o.Check = func(context.Context) ([]byte, error) {
				runs.Add(1)
				time.Sleep(12 * time.Second)
				return []byte(checkReport), nil
			}
		})
		var first sync.WaitGroup
		var answered atomic.Int32
		for range 50 { // at once
			first.Go(func() {
				if asked(s).Code == 200 {
					answered.Add(1)
				}
			})
		}
		first.Wait()
		if runs.Load() != 1 || answered.Load() != 1 {
			t.Fatalf("%d runs, %d answers", runs.Load(), answered.Load())
		}
		time.Sleep(17*time.Second + 500*time.Millisecond)
		got := asked(s)
		if got.Code != 429 || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), `"status":"429"`) || got.Header().Get("Content-Type") != "application/scim+json" {
			t.Errorf("after 29.5 s: %d %v %s", got.Code, got.Header(), got.Body)
		}
		time.Sleep(500 * time.Millisecond)
		if got := asked(s); got.Code != 200 || runs.Load() != 2 {
			t.Errorf("after 30 s: %d, %d runs", got.Code, runs.Load())
		}
		if got := asked(s); got.Code != 429 || got.Header().Get("Retry-After") != "18" {
			t.Errorf("12 s after the second run began: %d %v", got.Code, got.Header())
		}
	})
}

// A short BACKEND_TIMEOUT is for calls.
func TestCheckHasNoDeadlineOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(o *proxy.Options) {
			o.Timeout = time.Second
			o.Check = func(ctx context.Context) ([]byte, error) {
				_, has := ctx.Deadline()
				time.Sleep(14 * time.Second)
				if has || ctx.Err() != nil {
					t.Errorf("deadline %v, %v", has, ctx.Err())
				}
				return []byte(checkReport), nil
			}
		})
		if got := asked(s); got.Code != 200 {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	})
}

func TestCheckThatFailsIsNoAnswer(t *testing.T) {
	w := newWorld(t, setup{options: func(o *proxy.Options) {
		o.Check = func(context.Context) ([]byte, error) { return nil, errors.New("canary") }
	}})
	got := w.call(t, "GET", "/scim/.well-known/check", "")
	if got.StatusCode != 500 || strings.Contains(got.body, "canary") || got.Header.Get("Content-Type") != "application/scim+json" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if line := w.line(t); line["class"] != "internal" || line["level"] != "error" {
		t.Errorf("%v", line)
	}
}

func TestCheckEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Duration
		s := newStage(t, func(o *proxy.Options) {
			o.Check = func(ctx context.Context) ([]byte, error) {
				started := time.Now()
				<-ctx.Done()
				ended = time.Since(started)
				return []byte(checkReport), nil
			}
		})
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		request := httptest.NewRequestWithContext(ctx, "GET", "/.well-known/check", nil)
		request.Header.Set("Authorization", "Bearer old")
		s.ServeHTTP(httptest.NewRecorder(), request)
		if ended != time.Second {
			t.Errorf("it ended after %v", ended)
		}
	})
}
