package main

import (
	"net"
	"sync/atomic"
	"time"
)

// patientListener lets a new connection be silent for as long as one that is
// between two calls. net/http gives it no more than the time of a header, and a
// client that opens connections to spare, as connection pools do, would send on
// one that is just being closed: a POST is lost then.
type patientListener struct{ net.Listener }

// Accept waits for the next connection.
func (l patientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: conn}, nil
}

// patientConn is a connection on which the time of the first header begins with
// its first byte.
type patientConn struct {
	net.Conn
	spoken atomic.Bool // the first byte has come
}

// Read notes the first byte.
func (c *patientConn) Read(buffer []byte) (int, error) {
	n, err := c.Conn.Read(buffer)
	if n > 0 && !c.spoken.Swap(true) && err == nil {
		err = c.Conn.SetReadDeadline(time.Now().Add(headerLimit))
	}
	return n, err
}

// SetReadDeadline takes net/http's deadline for the first header for that of its
// first byte.
func (c *patientConn) SetReadDeadline(at time.Time) error {
	if !c.spoken.Load() && !at.IsZero() {
		at = at.Add(idleLimit - headerLimit)
	}
	return c.Conn.SetReadDeadline(at)
}

// CloseWrite is what net/http ends a connection with that the client still sends
// on, so that the answer is not lost.
func (c *patientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
