package e2e

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// wire carries TCP connections to a target and can break them. toxiproxy does
// as much, but its chance has no seed.
type wire struct {
	address string // host:port
	target  atomic.Pointer[string]
	carried sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	refusals int          // spells that want them to be
	closed   bool
	open     map[*strand]bool
	serial   uint64
	cutters  []*cutter
	cuts     int
}

// cutter breaks a share of the connections off after some bytes.
type cutter struct {
	seed  uint64
	share float64
}

// unlimited is the allowance of a direction that nobody cuts.
const unlimited = int64(1) << 60

// strand is one connection on a wire.
type strand struct {
	client, server *net.TCPConn
	serial         uint64
	// up and down are the bytes that still pass.
	up, down atomic.Int64
}

// newWire listens on a port that the system hands out to nobody, so that it is
// still free after a refusal. It ends with the test, after what was started
// later.
func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{open: map[*strand]bool{}}
	const first, number = 20_000, 12_000
	for range 20 {
		w.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(number)))
		if w.listen() == nil {
			t.Cleanup(w.close)
			return w
		}
	}
	t.Fatal("no free port for a wire")
	return nil
}

// listen begins to take connections; w.mu is held, or nobody else has w.
func (w *wire) listen() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", w.address)
	if err != nil {
		return err
	}
	w.listener = listener
	w.carried.Go(func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.carried.Go(func() { w.carry(conn.(*net.TCPConn)) })
		}
	})
	return nil
}

// carry is one connection from its beginning to its end.
func (w *wire) carry(client *net.TCPConn) {
	defer client.Close()
	target := w.target.Load()
	if target == nil {
		return
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", *target)
	if err != nil {
		reset(client)
		return
	}
	defer conn.Close()
	s := &strand{client: client, server: conn.(*net.TCPConn)}
	if !w.add(s) {
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() { w.pump(s, s.server, s.client, &s.up) })
	ways.Go(func() { w.pump(s, s.client, s.server, &s.down) })
	ways.Wait()
	w.mu.Lock()
	delete(w.open, s)
	w.mu.Unlock()
}

func (w *wire) add(s *strand) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	s.serial = w.serial
	s.up.Store(unlimited)
	s.down.Store(unlimited)
	if w.closed {
		return false
	}
	w.open[s] = true
	for _, c := range w.cutters {
		c.apply(s)
	}
	return true
}

// pump carries one way until an end closes, or the allowance is used up.
func (w *wire) pump(s *strand, to, from *net.TCPConn, allowance *atomic.Int64) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		left := allowance.Add(int64(-n))
		if left < 0 {
			_, _ = to.Write(buffer[:max(0, int64(n)+left)])
			w.mu.Lock()
			w.cuts++
			w.mu.Unlock()
			s.reset()
			return
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil && !errors.Is(err, io.EOF) {
			s.reset()
			return
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// reset makes both ends see a reset.
func (s *strand) reset() {
	reset(s.client)
	reset(s.server)
}

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // makes Close reset
	conn.Close()
}

// apply decides about a connection by its number: whether it breaks, in which
// direction, and after how many bytes.
func (c *cutter) apply(s *strand) {
	r := rand.New(rand.NewPCG(c.seed, s.serial))
	if r.Float64() >= c.share {
		return
	}
	way, most := &s.up, 10_000
	if r.IntN(2) == 0 {
		way = &s.down
	}
	way.Store(int64(r.IntN(most)))
}

// cut breaks a share of the connections, those that are open and those to come,
// until what it returns is called.
func (w *wire) cut(seed uint64, share float64) (end func()) {
	c := &cutter{seed: seed, share: share}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cutters = append(w.cutters, c)
	for s := range w.open {
		c.apply(s)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, have := range w.cutters {
			if have == c {
				w.cutters = append(w.cutters[:i], w.cutters[i+1:]...)
				break
			}
		}
		if len(w.cutters) > 0 {
			return
		}
		for s := range w.open {
			s.up.Store(unlimited)
			s.down.Store(unlimited)
		}
	}
}

// broken is how many connections were cut.
func (w *wire) broken() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts
}

// resetAll resets all open connections, and says how many.
func (w *wire) resetAll() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.open {
		s.reset()
	}
	return len(w.open)
}

// refuse closes the port and resets what is open, as the end of a process does,
// until what it returns is called.
func (w *wire) refuse(t *testing.T) (end func()) {
	w.mu.Lock()
	if w.refusals++; w.refusals == 1 && w.listener != nil {
		w.listener.Close()
		w.listener = nil
	}
	w.mu.Unlock()
	w.resetAll()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.refusals--; w.refusals > 0 || w.closed {
			return
		}
		if err := w.listen(); err != nil {
			t.Errorf("the port of a wire is gone: %v", err)
		}
	}
}

// close ends the wire with all it carries.
func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	if w.listener != nil {
		w.listener.Close()
	}
	w.mu.Unlock()
	w.resetAll()
	w.carried.Wait()
}
