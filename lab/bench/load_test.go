package bench

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestLoadNoticesAWrongAnswer(t *testing.T) {
	const want = "0123456789"
	for _, test := range []struct {
		name, message string
		answer        http.HandlerFunc
	}{
		{"right", "", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, want) }},
		{"status", "status 204 instead of 200", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{"shorter", "9 bytes instead of 10", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, want[1:]) }},
		{"longer", "11 bytes instead of 10", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, want+"0") }},
		{"other bytes", "other bytes of the same length", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.ToUpper("abcdefghij")) }},
		{"no length", "Content-Length -1", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, want)
		}},
		{"close", "the connection does not stay", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, want)
		}},
		{"cut", "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, want[1:])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			c := call{name: "read", method: http.MethodGet, target: "/", status: http.StatusOK, answer: want}
			c.complete("token")
			l, err := newLoad(t.Context(), server.Listener.Addr().String(), []call{c}, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			got, err := l.run(t.Context(), 10, time.Minute)
			switch {
			case test.message == "" && (err != nil || len(got.latencies) != 10):
				t.Errorf("got %d calls, %v", len(got.latencies), err)
			case test.message != "" && (err == nil || !strings.Contains(err.Error(), test.message)):
				t.Errorf("got %v, want %s", err, test.message)
			}
		})
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	l, err := newLoad(ctx, server.Listener.Addr().String(), newDeck("token"), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if _, err := l.run(ctx, 10, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// The backend must tell a proxy that forwards what it should from one that does
// not.
func TestBackendAnswersOnlyTheDeck(t *testing.T) {
	server := httptest.NewServer(newAnswers("token"))
	defer server.Close()
	l, err := newLoad(t.Context(), server.Listener.Addr().String(), newDeck("token"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if _, err := l.run(t.Context(), len(l.deck), time.Minute); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*call){
		"method":   func(c *call) { c.method = http.MethodPut },
		"path":     func(c *call) { c.target = strings.Replace(c.target, "/Users", "/Groups", 1) },
		"filter":   func(c *call) { c.target, _, _ = strings.Cut(c.target, "&") },
		"body":     func(c *call) { c.body += " " },
		"no token": func(*call) {},
	} {
		c := newDeck("")[0]
		spoil(&c)
		if name == "no token" {
			c.complete("other")
		} else {
			c.complete("token")
		}
		connection, err := connect(t.Context(), server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := connection.do(&c); !errors.Is(err, errWrong) {
			t.Errorf("%s: got %v", name, err)
		}
		connection.close()
	}
}

func TestDeckIsLikeEntras(t *testing.T) {
	for _, c := range newDeck("token") {
		if c.body != "" && (len(c.body) < 500 || len(c.body) > 1500) {
			t.Errorf("%s: body of %d bytes", c.name, len(c.body))
		}
		if c.name != "look-up" && (len(c.answer) < 1000 || len(c.answer) > 1500) {
			t.Errorf("%s: answer of %d bytes", c.name, len(c.answer))
		}
	}
}
