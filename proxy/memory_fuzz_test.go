package proxy_test

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// half is one direction of a connection in memory: bytes in order, then an end.
// It never blocks its writer.
type half struct {
	mu      sync.Mutex
	changed sync.Cond
	data    []byte
	ended   bool // by the writer: io.EOF after data
	closed  bool // by the reader
	expired bool // its read deadline is over
	// starved is asked, with mu held, when a reader with room for so many bytes
	// finds none: true ends the data, as nothing would come any more. Nil means
	// false.
	starved func(room int) bool
}

func newHalf() *half {
	h := new(half)
	h.changed.L = &h.mu
	return h
}

func (h *half) read(buffer []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.closed:
			return 0, net.ErrClosed
		case h.expired:
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0:
			n := copy(buffer, h.data)
			h.data = h.data[n:]
			return n, nil
		case h.ended:
			return 0, io.EOF
		case h.starved != nil && h.starved(len(buffer)):
			h.ended = true
		default:
			h.changed.Wait()
		}
	}
}

func (h *half) write(data []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || h.closed {
		return 0, io.ErrClosedPipe
	}
	h.data = append(h.data, data...)
	h.changed.Broadcast()
	return len(data), nil
}

// set changes the half and wakes its reader.
func (h *half) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	h.changed.Broadcast()
}

// memoryConn is one end of a connection in memory. Unlike that of net.Pipe it
// does not block its writer, and can be closed in one direction.
type memoryConn struct {
	in, out *half
	left    func() // when this end sends no more; nil for nobody who wants to know
	once    sync.Once
}

// memoryPipe makes both ends of a connection.
func memoryPipe() (client, server *memoryConn) {
	up, down := newHalf(), newHalf()
	return &memoryConn{in: down, out: up}, &memoryConn{in: up, out: down}
}

func (c *memoryConn) Read(buffer []byte) (int, error) { return c.in.read(buffer) }
func (c *memoryConn) Write(data []byte) (int, error)  { return c.out.write(data) }

// CloseWrite ends what this end sends.
func (c *memoryConn) CloseWrite() error {
	c.out.set(func() { c.out.ended = true })
	if c.left != nil {
		c.once.Do(c.left)
	}
	return nil
}

func (c *memoryConn) Close() error {
	c.in.set(func() { c.in.closed = true })
	return c.CloseWrite()
}

type memoryAddress struct{}

func (memoryAddress) Network() string { return "memory" }
func (memoryAddress) String() string  { return "192.0.2.1:1234" }

func (*memoryConn) LocalAddr() net.Addr  { return memoryAddress{} }
func (*memoryConn) RemoteAddr() net.Addr { return memoryAddress{} }

// SetReadDeadline knows only those that are over: net/http wakes a read with
// one. Nobody here is slow, so no other is ever reached.
func (c *memoryConn) SetReadDeadline(at time.Time) error {
	c.in.set(func() { c.in.expired = !at.IsZero() && !at.After(time.Now()) })
	return nil
}

// SetWriteDeadline does nothing, for a write never waits.
func (*memoryConn) SetWriteDeadline(time.Time) error { return nil }

func (c *memoryConn) SetDeadline(at time.Time) error { return c.SetReadDeadline(at) }

// memoryListener accepts connections in memory.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (*memoryListener) Addr() net.Addr { return memoryAddress{} }

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Accept waits for the next connection.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// memoryBackend dials connections to a backend, and counts those that it has not
// ended.
type memoryBackend struct {
	accept func(*memoryConn) // takes the backend's end
	end    func()            // of it all; nil for none

	mu   sync.Mutex
	idle sync.Cond
	open int
}

func newMemoryBackend(accept func(*memoryConn)) *memoryBackend {
	b := &memoryBackend{accept: accept}
	b.idle.L = &b.mu
	return b
}

// Dial is that of upstream.Options.
func (b *memoryBackend) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := memoryPipe()
	b.count(1)
	server.left = func() { b.count(-1) }
	b.accept(server)
	return client, nil
}

func (b *memoryBackend) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open += n
	b.idle.Broadcast()
}

// wait waits until the backend has ended all connections, and so has seen all
// that was sent on them.
func (b *memoryBackend) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.open > 0 {
		b.idle.Wait()
	}
}
