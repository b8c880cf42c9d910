package failure

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/stand"
)

// basePath is the backend's.
const basePath = "/rest/scim/v2"

// service is the backend: a strict one of the lab, that counts what it is asked
// and what it did, and can be stopped and started with all that it knows.
type service struct {
	*testing.T
	address      string
	token        string
	http2        bool
	authority    *pki.Authority
	certificates *backend.Certificates
	trouble      backend.Trouble
	store        *backend.Backend

	server   *http.Server
	serving  sync.WaitGroup
	accepted atomic.Int64 // connections, so far
	open     atomic.Int64 // of them, still

	mu      sync.Mutex
	arrived map[string]int // calls by their number, see operation
	done    map[string]int // those of them that were answered with 2xx
	gate    *gate
	silent  []*mute
	away    bool // new connections are silent, too
}

// gate holds a call up at the backend.
type gate struct {
	after    bool // the backend has done what it was asked for
	once     sync.Once
	reached  chan struct{}
	released chan struct{}
}

func newService(t *testing.T, http2 bool) *service {
	t.Helper()
	s := &service{T: t, address: freeAddress(t), token: stand.NewToken(), http2: http2, arrived: map[string]int{}, done: map[string]int{}}
	var err error
	if s.authority, err = pki.New("Lab Private CA"); err != nil {
		t.Fatal(err)
	}
	if s.certificates, err = backend.NewCertificates(s.authority, stand.BackendName); err != nil {
		t.Fatal(err)
	}
	if s.store, err = backend.New(backend.Options{Token: s.token, BasePath: basePath}); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start listens at the address, as before.
func (s *service) start() {
	s.Helper()
	listener, err := new(net.ListenConfig).Listen(s.Context(), "tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.http2)
	s.server = &http.Server{
		Handler: http.HandlerFunc(s.serve), ConnState: s.trouble.ConnState, Protocols: &protocols,
		TLSConfig:         &tls.Config{GetCertificate: s.certificates.GetCertificate, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
	}
	server := s.server
	s.serving.Go(func() { _ = server.ServeTLS(&muting{listener, s}, "", "") }) // ends with stop
}

// stop ends it and breaks its connections.
func (s *service) stop() {
	s.server.Close()
	s.serving.Wait()
}

// serve counts calls, around everything that goes wrong with them and around
// what they do.
func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	number := r.URL.Query().Get("n")
	s.mu.Lock()
	s.arrived[number]++
	held := s.gate
	if number == "" {
		held = nil
	}
	s.mu.Unlock()
	if held != nil && !held.after {
		held.wait()
	}
	s.trouble.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered := &status{ResponseWriter: w}
		s.store.ServeHTTP(answered, r)
		if answered.code/100 == 2 {
			s.mu.Lock()
			s.done[number]++
			s.mu.Unlock()
		}
	})).ServeHTTP(w, r)
	if held != nil && held.after {
		held.wait()
	}
}

// counts of a call, by its number.
func (s *service) counts(number string) (arrived, done int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived[number], s.done[number]
}

// hold makes the next call wait, before or after it is served. Once it was
// released, no call waits any more.
func (s *service) hold(after bool) *gate {
	g := &gate{after: after, reached: make(chan struct{}), released: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = g
	return g
}

// release lets the call go on, and all others.
func (s *service) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		close(s.gate.released)
		s.gate = nil
	}
}

func (g *gate) wait() {
	g.once.Do(func() { close(g.reached) }) // the Functions host repeats calls
	select {
	case <-g.released:
	case <-time.After(time.Minute): // the test has failed
	}
}

// direct calls the store without a wire and without being counted.
func (s *service) direct(method, path, body string) (code int, answer string) {
	r := httptest.NewRequest(method, basePath+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/scim+json")
	w := httptest.NewRecorder()
	s.store.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// status notes the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// silence makes the connections that there are half open, for good: nothing that
// comes is read, nothing that is written arrives, and nobody is told. What
// toxiproxy swallows it closes when it is over; a peer that vanished does not
// even do that.
func (s *service) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.silent {
		conn.on.Store(true)
	}
}

// vanish is silence that holds for new connections, too, until it ends for those
// that come later.
func (s *service) vanish(away bool) {
	s.mu.Lock()
	s.away = away
	s.mu.Unlock()
	if away {
		s.silence()
	}
}

// muting makes connections that can be silenced.
type muting struct {
	net.Listener
	s *service
}

func (l *muting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	m := &mute{Conn: conn, open: &l.s.open, closed: make(chan struct{})}
	l.s.accepted.Add(1)
	l.s.open.Add(1)
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	m.on.Store(l.s.away)
	l.s.silent = append(l.s.silent, m)
	return m, nil
}

// mute is a connection that can fall silent.
type mute struct {
	net.Conn
	on     atomic.Bool
	open   *atomic.Int64
	once   sync.Once
	closed chan struct{}
}

func (m *mute) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if m.on.Load() {
		<-m.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (m *mute) Write(p []byte) (int, error) {
	if m.on.Load() {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

// Close ends it. The peer learns of it only once the process ends, or the test.
func (m *mute) Close() error {
	m.once.Do(func() {
		close(m.closed)
		m.open.Add(-1)
	})
	return m.Conn.Close()
}

// person is a user's representation, with a name made of a number.
func person(number string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"%[1]s@contoso.com","externalId":"%[1]s","active":true}`, number)
}
