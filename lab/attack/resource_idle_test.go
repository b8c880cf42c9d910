package attack

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// idle is how many connections are open and say nothing.
	idle = 10_000
	// perConnection is what one of them may take of the handler's memory, in
	// bytes: two buffers of 4 KiB, the stacks of a goroutine or two, and the rest.
	perConnection = 40 << 10
)

// Ten thousand connections that say nothing, half of them after a call, hold up
// nobody, and give back what they take (RFC 9112 section 9.5). Half of them
// ask once more in the end: no one was closed to make room.
func TestIdleConnections(t *testing.T) {
	p := newPlant(t, 0)
	before, descriptors := p.memory(t), p.descriptors(t)
	conns := make([]net.Conn, idle)
	each := func(do func(i int) error) error {
		var all errgroup.Group
		all.SetLimit(100)
		for i := range conns {
			all.Go(func() error { return do(i) })
		}
		return all.Wait()
	}
	t.Cleanup(func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close() // it may be closed already
			}
		}
	})
	begun := time.Now()
	if err := each(func(i int) (err error) {
		if conns[i], err = new(net.Dialer).DialContext(t.Context(), "tcp", p.front); err != nil || i%2 == 0 {
			return err
		}
		return pingOn(conns[i])
	}); err != nil {
		t.Skip("this system does not let two processes have so many connections:", err)
	}
	p.awaitAccepted(t, descriptors+idle)
	m := p.memory(t)
	t.Logf("%d idle connections after %v: %d MiB, before %d MiB, %.1f KiB each", idle, time.Since(begun), m.now>>20, before.now>>20, float64(m.now-before.now)/idle/1024)
	if took := (m.now - before.now) / idle; took > perConnection {
		t.Errorf("an idle connection takes %d bytes, want %d at most", took, perConnection)
	}
	p.ping(t)
	p.works(t)
	if err := each(func(i int) error {
		if i%2 == 0 {
			return nil
		}
		return pingOn(conns[i])
	}); err != nil {
		t.Errorf("an idle connection was closed: %v", err)
	}
	if err := each(func(i int) error {
		return errors.Join(conns[i].(*net.TCPConn).SetLinger(0), conns[i].Close())
	}); err != nil {
		t.Error(err)
	}
	p.awaitDescriptors(t, descriptors+spared)
	p.works(t)
}

// pingOn asks on an open connection whether the handler is up.
func pingOn(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_ = response.Body.Close() // it is empty
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// awaitAccepted waits until the handler has so many descriptors.
func (w *world) awaitAccepted(t *testing.T, least int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for tick := time.NewTicker(20 * time.Millisecond); w.descriptors(t) < least; {
		select {
		case <-tick.C: // there is no event to wait for
		case <-ctx.Done():
			t.Fatalf("the handler has %d descriptors, want %d", w.descriptors(t), least)
		}
	}
}
