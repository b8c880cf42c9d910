package attack

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"go/version"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"example.com/entra-scim-proxy/lab/pki"
)

// frameVector is an [answerVector] over HTTP/2.
type frameVector struct {
	answerVector
	// play answers the call of a stream, frame by frame. The connection stays
	// open behind it.
	play func(c *framed, stream uint32)
}

// framed is a connection of HTTP/2, of which the backend's side is played.
type framed struct {
	*http2.Framer // for writing
	conn          *oneWriter
}

// oneWriter lets two framers write whole frames.
type oneWriter struct {
	net.Conn
	mu sync.Mutex
}

func (w *oneWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Conn.Write(data)
}

// CloseWrite ends what the backend says, when it has been sent.
func (w *oneWriter) CloseWrite() error {
	if conn, ok := w.Conn.(*tls.Conn); ok {
		return conn.CloseWrite()
	}
	return nil
}

// block encodes a header without use of the dynamic table, so that blocks can
// come in any order.
func block(fields ...string) []byte {
	var out bytes.Buffer
	encoder := hpack.NewEncoder(&out)
	encoder.SetMaxDynamicTableSize(0)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // into memory
	}
	return out.Bytes()
}

// head begins an answer, or ends it, with a header.
func (c *framed) head(stream uint32, end bool, fields ...string) {
	// An error means that the other side has had enough, here and below.
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block(fields...), EndHeaders: true, EndStream: end})
}

func (c *framed) data(stream uint32, end bool, text string) {
	_ = c.WriteData(stream, end, []byte(text))
}

// answer is the whole of an ordinary answer.
func (c *framed) answer(stream uint32, body string) {
	c.head(stream, false, ":status", "200", "content-type", "application/scim+json")
	c.data(stream, true, body)
}

// frameBackend speaks HTTP/2 as rawBackend does HTTP/1.1.
type frameBackend struct {
	net.Listener
	vectors map[string]frameVector
	mu      sync.Mutex
	arrived map[string]int
	strange []string
	token   atomic.Value // string
}

func newFrameBackend(t *testing.T, authority *pki.Authority, vectors []frameVector) *frameBackend {
	t.Helper()
	b := &frameBackend{Listener: listenTLS(t, authority, "h2"), vectors: map[string]frameVector{}, arrived: map[string]int{}}
	for _, v := range vectors {
		b.vectors[v.id] = v
	}
	go func() { // ends when the listener is closed
		for {
			conn, err := b.Accept()
			if err != nil {
				return
			}
			go b.serve(conn) // ends with the connection
		}
	}()
	return b
}

func (b *frameBackend) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	if _, err := io.CopyN(io.Discard, reader, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	out := &oneWriter{Conn: conn}
	frames := http2.NewFramer(out, reader)
	frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if frames.WriteSettings() != nil {
		return
	}
	calls := map[uint32]string{}
	for {
		frame, err := frames.ReadFrame()
		if err != nil {
			return
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = frames.WriteSettingsAck() // see head
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = frames.WritePing(true, f.Data)
			}
		case *http2.MetaHeadersFrame:
			calls[f.StreamID] = b.note(f)
			if f.StreamEnded() {
				go b.play(out, f.StreamID, calls[f.StreamID]) // ends with the connection, at the latest
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				go b.play(out, f.StreamID, calls[f.StreamID]) // likewise
			}
		}
	}
}

func (b *frameBackend) play(conn *oneWriter, stream uint32, id string) {
	c := &framed{Framer: http2.NewFramer(conn, nil), conn: conn}
	c.AllowIllegalWrites = true
	if v, known := b.vectors[id]; known {
		v.play(c, stream)
		return
	}
	body, _ := goodAnswer(id)
	c.answer(stream, body)
}

func (b *frameBackend) note(f *http2.MetaHeadersFrame) string {
	path, _, _ := strings.Cut(f.PseudoValue("path"), "?")
	id := path[strings.LastIndex(path, "/")+1:]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived[id]++
	want, _ := b.token.Load().(string)
	var got []string
	for _, field := range f.RegularFields() {
		if field.Name == "authorization" {
			got = append(got, field.Value)
		}
	}
	if len(got) != 1 || got[0] != "Bearer "+want || !strings.HasPrefix(path, insideBase+"/") {
		b.strange = append(b.strange, fmt.Sprintf("%s %s %q", f.PseudoValue("method"), path, got))
	}
	return id
}

func (b *frameBackend) take(id string) (calls int, strange []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	strange, b.strange = b.strange, nil
	return b.arrived[id], strange
}

// eachFrames sends all vectors over HTTP/2, one at a time: those that break the
// connection would break each other's calls.
func eachFrames(t *testing.T, app string, memory int) {
	t.Parallel()
	for _, place := range framePlaces {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			vectors := frameVectors()
			if version.Compare(runtime.Version(), "go1.26.9") < 0 {
				t.Logf("skipped: %s, because this is %s", windowVector().id, runtime.Version())
				vectors = slices.DeleteFunc(vectors, func(v frameVector) bool { return v.id == windowVector().id })
			}
			authority := answerAuthority(t)
			backend := newFrameBackend(t, authority, vectors)
			w := startAnswerWorld(t, app, place, authority.PEM(), backend.Addr().String())
			backend.token.Store("backend-token-of-" + place.name)
			for _, v := range vectors {
				if v.method == "" {
					v.method = http.MethodPost // nothing repeats it
				}
				w.attack(t, v.answerVector, backend.take)
			}
			w.judgeLog(t)
			w.judgeMemory(t, memory)
		})
	}
}
