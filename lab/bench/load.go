package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// patience is how long one call may take, and streamPatience an answer of
	// streamSize, on a machine that has much else to do.
	patience       = 10 * time.Second
	streamPatience = time.Minute
)

// load makes calls over keep-alive connections, HTTP/1.1 as Entra speaks it.
type load struct {
	deck        []call
	connections []*connection
}

// newLoad opens the connections, which close with the load's close.
func newLoad(ctx context.Context, address string, deck []call, connections int) (*load, error) {
	l := &load{deck: deck}
	for range connections {
		c, err := connect(ctx, address)
		if err != nil {
			l.close()
			return nil, err
		}
		l.connections = append(l.connections, c)
	}
	return l, nil
}

func (l *load) close() {
	for _, c := range l.connections {
		c.close()
	}
}

// done is a number of calls that were answered as they should be.
type done struct {
	took      time.Duration
	latencies []time.Duration
}

// run makes a number of calls, or fewer if the limit comes first. It fails at
// the first answer that is not what it should be.
func (l *load) run(ctx context.Context, calls int, limit time.Duration) (done, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	latencies := make([][]time.Duration, len(l.connections))
	start := time.Now()
	for i, c := range l.connections {
		running.Go(func() { // ends with the last call, or the first failure
			defer context.AfterFunc(ctx, c.close)()
			for {
				before := time.Now()
				n := int(next.Add(1) - 1)
				if n >= calls || before.Sub(start) > limit {
					return
				}
				if err := c.do(&l.deck[n%len(l.deck)]); err != nil {
					cancel(err)
					return
				}
				latencies[i] = append(latencies[i], time.Since(before))
			}
		})
	}
	running.Wait()
	took := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return done{}, err
	}
	return done{took, slices.Concat(latencies...)}, nil
}

// connection is one keep-alive connection to a proxy.
type connection struct {
	conn    net.Conn
	answers *bufio.Reader
	body    bytes.Buffer
}

func connect(ctx context.Context, address string) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, answers: bufio.NewReader(conn)}, nil
}

// close also fails the call in flight.
func (c *connection) close() { c.conn.Close() }

// errWrong is the category of the answers that are not what they should be.
var errWrong = errors.New("wrong answer")

// do makes one call and compares the answer: status, length, every byte, and
// that the connection stays.
func (c *connection) do(call *call) error {
	response, err := c.send(call)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	c.body.Reset()
	if _, err := c.body.ReadFrom(response.Body); err != nil {
		return fmt.Errorf("%s: read the answer: %w", call.name, err)
	}
	switch got := c.body.String(); {
	case response.StatusCode != call.status:
		return fmt.Errorf("%w to %s: status %d instead of %d: %.200s", errWrong, call.name, response.StatusCode, call.status, got)
	case response.ContentLength != int64(len(call.answer)) || len(got) != len(call.answer):
		return fmt.Errorf("%w to %s: Content-Length %d and %d bytes instead of %d", errWrong, call.name, response.ContentLength, len(got), len(call.answer))
	case got != call.answer:
		return fmt.Errorf("%w to %s: other bytes of the same length", errWrong, call.name)
	case response.Close:
		return fmt.Errorf("%w to %s: the connection does not stay", errWrong, call.name)
	}
	return nil
}

// send writes the call and reads the header of the answer.
func (c *connection) send(call *call) (*http.Response, error) {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, fmt.Errorf("%s: %w", call.name, err)
	}
	if _, err := c.conn.Write(call.wire); err != nil {
		return nil, fmt.Errorf("%s: send: %w", call.name, err)
	}
	response, err := http.ReadResponse(c.answers, call.request)
	if err != nil {
		return nil, fmt.Errorf("%s: read the answer: %w", call.name, err)
	}
	return response, nil
}

// fetch makes one GET on a connection of its own and copies the answer's body.
func fetch(ctx context.Context, address string, get call, to io.Writer) (int64, error) {
	c, err := connect(ctx, address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.close)()
	response, err := c.send(&get)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if err := c.conn.SetDeadline(time.Now().Add(streamPatience)); err != nil {
		return 0, fmt.Errorf("%s: %w", get.name, err)
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%w to %s: status %d", errWrong, get.name, response.StatusCode)
	}
	n, err := io.Copy(to, response.Body)
	if err != nil {
		return n, fmt.Errorf("%s: read the answer: %w", get.name, err)
	}
	return n, nil
}

func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}
