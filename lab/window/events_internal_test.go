package window

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a connection whose other end has stopped to read after some writes.
type stuck struct {
	*httptest.ResponseRecorder
	takes    int
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(deadline time.Time) error {
	s.deadline = deadline
	return nil
}

func (s *stuck) Write(data []byte) (int, error) {
	if s.takes--; s.takes < 0 {
		time.Sleep(time.Until(s.deadline))
		return 0, errors.New("deadline")
	}
	return s.ResponseRecorder.Write(data)
}

// runEvents runs a stream of events until its end.
func runEvents(ctx context.Context, recorder *Recorder, w http.ResponseWriter) {
	request := httptest.NewRequest("GET", "http://127.0.0.1/events", nil).WithContext(ctx)
	New(recorder, Options{}).ServeHTTP(w, request)
}

func TestStuckReaderLosesItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Recorder
		start := time.Now()
		runEvents(t.Context(), &r, &stuck{ResponseRecorder: httptest.NewRecorder(), takes: 5})
		if got := time.Since(start); got < patience || got > patience+5*time.Second {
			t.Errorf("it had its stream for %v", got)
		}
		if len(r.watchers) != 0 {
			t.Error("it still watches")
		}
	})
}

// A page that nothing happens on hears from the server every second.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		runEvents(ctx, new(Recorder), w)
		if got := strings.Count(w.Body.String(), "event: pulse\n"); got != 11 {
			t.Errorf("%d pulses", got)
		}
		if got := strings.Count(w.Body.String(), "event: exchanges\n"); got != 1 {
			t.Errorf("%d events about exchanges", got)
		}
	})
}

// What changes faster than anybody can read is told at once, the last of it
// included.
func TestChangesAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Recorder
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		ended := make(chan struct{})
		go func() { // ends with the context
			defer close(ended)
			runEvents(ctx, &r, w)
		}()
		synctest.Wait()
		for i := range 1000 { // one second
			r.begin(Exchange{ID: fmt.Sprintf("id-%d.", i)}, "", nil)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(rest)
		cancel()
		<-ended
		body := w.Body.String()
		if got := strings.Count(body, "event: exchanges\n"); got < 10 || got > 13 {
			t.Errorf("%d events for 1000 changes in a second", got)
		}
		for i := range 1000 {
			if id := fmt.Sprintf(`"id-%d."`, i); strings.Count(body, id) != 1 {
				t.Errorf("%s is told %d times", id, strings.Count(body, id))
			}
		}
	})
}
