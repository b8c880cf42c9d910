package failure

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
)

// wire is a TCP connection's way from one side to the other, on which things go
// wrong: toxiproxy, within this process.
type wire struct {
	*toxiproxy.Proxy
	t *testing.T
}

// newWire leads to an address, until the test ends.
func newWire(t *testing.T, upstream string) *wire {
	t.Helper()
	w := &wire{t: t}
	for range 20 {
		w.Proxy = toxiproxy.NewProxy(quiet(toxiproxy.NewServer, toxiproxy.NewMetricsContainer(nil)), "wire", freeAddress(t), upstream)
		if err := w.Start(); err != nil {
			continue // somebody else was faster
		}
		t.Cleanup(w.Stop)
		return w
	}
	t.Fatal("no port is free")
	return nil
}

// quiet makes toxiproxy's server, which each of its proxies asks for metrics and
// a logger, without the latter: the zero value of its type has no writer.
func quiet[M, L, S any](server func(M, L) S, metrics M) S {
	var logger L
	return server(metrics, logger)
}

// handedOut are the addresses of freeAddress: between the look and the use
// another test must not get one.
var handedOut sync.Map

// freeAddress is a port of the loopback that systems do not hand out by
// themselves (those begin at 32768), so that it stays free while what listens
// there is away.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 50 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if _, ours := handedOut.LoadOrStore(address, true); err == nil {
			listener.Close()
			if !ours {
				return address
			}
		}
	}
	t.Fatal("no port is free")
	return ""
}

// The directions: requests go up, answers come down.
const (
	up   = "upstream"
	down = "downstream"
)

// spoil adds a toxic (toxiproxy's README lists them) with one attribute, to the
// connections that there are and to those to come.
func (w *wire) spoil(kind, direction string, attributes map[string]int) {
	w.t.Helper()
	toxic, err := json.Marshal(map[string]any{"type": kind, "stream": direction, "attributes": attributes})
	if err == nil {
		_, err = w.Toxics.AddToxicJson(strings.NewReader(string(toxic)))
	}
	if err != nil {
		w.t.Error(fmt.Errorf("add the toxic %s: %w", kind, err))
	}
}

// cut ends connections after so many bytes.
func (w *wire) cut(direction string, bytes int) {
	w.spoil("limit_data", direction, map[string]int{"bytes": bytes})
}

// swallow keeps connections open, and lets nothing pass any more.
func (w *wire) swallow(direction string) { w.spoil("timeout", direction, map[string]int{"timeout": 0}) }

// slow delays what passes, by so many milliseconds, give or take.
func (w *wire) slow(direction string, latency, jitter int) {
	w.spoil("latency", direction, map[string]int{"latency": latency, "jitter": jitter})
}

// lead makes connections from now on end elsewhere; those that are open end.
func (w *wire) lead(upstream string) {
	w.t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := w.Update(&toxiproxy.Proxy{Listen: w.Listen, Upstream: upstream, Enabled: true}); err != nil {
		w.t.Error(err)
	}
}

// away closes the port and all connections. No process is started meanwhile:
// until it runs its program it has a copy of the socket, which goes on listening.
func (w *wire) away() {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	w.Stop()
}

// back opens it again.
func (w *wire) back() {
	w.t.Helper()
	if err := w.Start(); err != nil {
		w.t.Error(err)
	}
}

// mend takes all toxics away. What was swallowed stays lost, and toxiproxy closes
// those connections.
func (w *wire) mend() { w.Toxics.ResetToxics(w.t.Context()) }
