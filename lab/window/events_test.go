package window_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"example.com/entra-scim-proxy/lab/window"
)

// watcher reads a stream of events.
type watcher struct {
	lines *bufio.Reader
	close func()
}

type event struct {
	name, id, data, raw string
}

func (w *world) watch(t *testing.T, lastID string) *watcher {
	t.Helper()
	request, _ := http.NewRequestWithContext(t.Context(), "GET", w.page.URL+"/events", nil)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("media type %q", got)
	}
	return &watcher{bufio.NewReader(response.Body), func() { response.Body.Close() }}
}

func (w *watcher) next(t *testing.T) event {
	t.Helper()
	var e event
	for {
		line, err := w.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		e.raw += line
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			return e
		}
	}
}

// await returns the data of the next event of a name.
func (w *watcher) await(t *testing.T, name string) map[string]any {
	t.Helper()
	for {
		if e := w.next(t); e.name == name {
			var data map[string]any
			if err := json.Unmarshal([]byte(e.data), &data); err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
}

// rows returns the next event about exchanges: whether it is a reset, the ids of
// its rows, and its own.
func (w *watcher) rows(t *testing.T) (reset bool, ids []string, id string) {
	t.Helper()
	for {
		e := w.next(t)
		if e.name != "exchanges" {
			continue
		}
		var news struct {
			Reset bool
			Rows  []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(e.data), &news); err != nil {
			t.Fatal(err)
		}
		for _, row := range news.Rows {
			ids = append(ids, row.ID)
		}
		return news.Reset, ids, e.id
	}
}

// until reads until an exchange ended, and returns the id of the last event.
func (w *watcher) until(t *testing.T, id string) string {
	t.Helper()
	for {
		e := w.next(t)
		if e.name == "exchanges" && strings.Contains(e.data, fmt.Sprintf(`"id":%q`, id)) && strings.Contains(e.data, `"outcome":"proxied","rules":["op-case"`) {
			return e.id
		}
	}
}

func TestEventsSnapshotThenLive(t *testing.T) {
	w := newWorld(t, echo, window.Options{})
	w.call(t, "GET", "/scim/Users", "")
	events := w.watch(t, "")
	if reset, ids, _ := events.rows(t); !reset || fmt.Sprint(ids) != "[call-1]" {
		t.Errorf("first: reset %t, %v", reset, ids)
	}
	w.call(t, "GET", "/scim/Users", "")
	events.until(t, "call-2")
	totals := events.await(t, "pulse")["totals"].(map[string]any)
	if totals["proxied"] != 2.0 {
		t.Errorf("totals %v", totals)
	}
}

func TestEventsResume(t *testing.T) {
	w := newWorld(t, echo, window.Options{})
	events := w.watch(t, "")
	w.call(t, "GET", "/scim/Users/1", "")
	last := events.until(t, "call-1")
	events.close()
	w.call(t, "GET", "/scim/Users/2", "")

	if reset, ids, _ := w.watch(t, last).rows(t); reset || fmt.Sprint(ids) != "[call-2]" {
		t.Errorf("resumed: reset %t, %v", reset, ids)
	}
	for _, strange := range []string{"another-process.1", "nonsense", "."} {
		if reset, ids, _ := w.watch(t, strange).rows(t); !reset || fmt.Sprint(ids) != "[call-1 call-2]" {
			t.Errorf("after %q: reset %t, %v", strange, reset, ids)
		}
	}
}

// Whoever does not read holds nobody up.
func TestSlowReaderHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, echo, window.Options{})
	conn, err := net.Dial("tcp", w.page.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", w.page.Listener.Addr())

	events := w.watch(t, "")
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for range 100 {
				w.call(t, "GET", "/scim/Users?filter="+strings.Repeat("x", 2000), "")
			}
		})
	}
	calls.Wait()
	if got := w.Totals()[window.Proxied]; got < 800-8 {
		t.Errorf("%d calls ended", got)
	}
	events.until(t, "call-800")
}

func TestStreamEndsWithTheServer(t *testing.T) {
	w := newWorld(t, echo, window.Options{})
	events := w.watch(t, "")
	events.rows(t)
	ended := make(chan struct{})
	go func() { // ends with the stream, which the next lines end
		defer close(ended)
		for {
			if _, err := events.lines.ReadString('\n'); err != nil {
				return
			}
		}
	}()
	w.page.CloseClientConnections()
	<-ended
}
