package attack

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// queued is how many calls share the connections on which a backend says too
// much.
const queued = 2048

// A backend that lets its users write into its header can be made to send an
// answer too many. It must never be taken for the answer to somebody else's
// call, which may be waiting for this very connection.
func surplusUnderLoad(t *testing.T, app string) {
	t.Parallel()
	vectors := make([]answerVector, 64)
	for i := range vectors {
		id := fmt.Sprintf("surplus-%d", i)
		body, whole := goodAnswer(id)
		if i%2 == 0 {
			whole = "HTTP/1.1 204 No Content\r\n\r\n"
			body = ""
		}
		vectors[i] = answerVector{id: id, says: whole + surplus, stay: true, want: passed(200, body)}
	}
	authority := answerAuthority(t)
	backend := newRawBackend(t, authority, vectors)
	place := answerPlace{"queue-none", false, nil}
	w := startAnswerWorld(t, app, place, authority.PEM(), backend.Addr().String())
	backend.token.Store("backend-token-of-" + place.name)
	var poisoned, broken, answered atomic.Int64
	var sending sync.WaitGroup
	for client := range 4 * clients {
		sending.Go(func() {
			conn := w.dial(t)
			reader := bufio.NewReader(conn)
			for i := range queued / (4 * clients) {
				w.send(t, conn, http.MethodGet, vectors[(i+client)%len(vectors)].id, "", "")
				got := receiveReply(reader, http.MethodGet)
				switch {
				case strings.Contains(got.body, canary):
					poisoned.Add(1)
				case got.status == http.StatusBadGateway || got.broken != nil:
					broken.Add(1)
				default:
					answered.Add(1)
				}
				if got.broken != nil {
					return
				}
			}
		})
	}
	sending.Wait()
	t.Logf("%d answers, %d errors, %d answers of somebody else's", answered.Load(), broken.Load(), poisoned.Load())
	if poisoned.Load() > 0 {
		t.Errorf("%s: let through: %d of %d calls got an answer that was not theirs", w.name, poisoned.Load(), queued)
	}
	w.judgeLog(t)
}
