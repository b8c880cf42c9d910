package window_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/window"
)

// discard is a connection that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header            { return d.header }
func (d *discard) Write(data []byte) (int, error) { return len(data), nil }
func (d *discard) WriteHeader(int)                {}
func (d *discard) FlushError() error              { return nil }

// BenchmarkTaps measures what the taps and the log add to a call with a body of
// 1 KiB each way: with nobody watching, and with one page.
func BenchmarkTaps(b *testing.B) {
	body := strings.Repeat("x", 1024)
	answer := []byte(body)
	end := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	})
	line := []byte(`{"level":"info","time":"2026-01-01T00:00:00Z","msg":"exchange","request_id":"a","method":"PATCH","status":200,"total_ms":1.2,"rules":"op-case,active-boolean"}` + "\n")
	run := func(b *testing.B, handler http.Handler, log io.Writer) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				request := httptest.NewRequest("PATCH", "/scim/Users/2819c223-7f76-453a-919d-413861904646", strings.NewReader(body))
				request.Header = http.Header{
					"Authorization": {"Bearer " + entraToken}, "Content-Type": {"application/scim+json"}, "Traceparent": {"00-1-1-01"},
				}
				handler.ServeHTTP(&discard{http.Header{"Content-Type": {"application/scim+json"}}}, request)
				_, _ = log.Write(line)
			}
		})
	}
	tapped := func(r *window.Recorder) http.Handler {
		return r.FromEntra(r.AtBackend(end), func(*http.Request) (string, string) { return "a", "00-1-1-01" })
	}
	b.Run("bare", func(b *testing.B) { run(b, end, io.Discard) })
	b.Run("unwatched", func(b *testing.B) {
		var r window.Recorder
		run(b, tapped(&r), &r)
	})
	b.Run("watched", func(b *testing.B) {
		var r window.Recorder
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan struct{})
		go func() { // ends with the context
			defer close(ended)
			window.New(&r, window.Options{}).ServeHTTP(&discard{http.Header{}},
				httptest.NewRequest("GET", "http://127.0.0.1/events", nil).WithContext(ctx))
		}()
		run(b, tapped(&r), &r)
		cancel()
		<-ended
	})
}
