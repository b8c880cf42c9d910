//go:build unix

package failure

import (
	"io"
	"net"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
)

// short makes a call that gets no answer end soon.
var short = map[string]string{"BACKEND_TIMEOUT": "2s"}

// backendRows are faults between the proxy and its backend.
func backendRows(http1 bool) []row {
	list := append(wireRows(), tlsRows()...)
	list = append(list, harmRows(http1)...)
	for i := range list {
		list[i].http1, list[i].pair = http1, backend2
		if http1 {
			list[i].pair = backend1
		}
	}
	return list
}

// lateClose is what comes after a way that swallowed all, and then closes.
const lateClose = "at once, or, if HTTP/2 has the connection still, once it is noticed to be closed"

// wireRows are what goes wrong with TCP.
func wireRows() []row {
	cut := []expect{
		// If HTTP/2 notices before it has written anything of the call, it takes a
		// new connection, which is cut, too.
		{methods: writes, sees: []string{"502"}, log: []string{"error bad_answer", "error tls_closed"}, executed: never},
		// net/http repeats it on a new connection in any case.
		{methods: reads, sees: []string{"502"}, log: []string{"error tls_closed", "error bad_answer"}}}
	return []row{
		{fault: "latency, 300 ms each way", begin: func(t *trial) {
			t.toBackend.slow(up, 300, 0)
			t.toBackend.slow(down, 300, 0)
		}, calls: []expect{as(bodies, done, "info", once)}},
		{fault: "jitter, 150 ms and 150 more or less, in slices of 50 bytes", begin: func(t *trial) {
			t.toBackend.slow(up, 150, 150)
			t.toBackend.slow(down, 150, 150)
			t.toBackend.spoil("slicer", up, map[string]int{"average_size": 50, "size_variation": 20, "delay": 1000})
		}, calls: []expect{as(bodies, done, "info", once)}},
		{fault: "the answer takes longer than BACKEND_TIMEOUT", warm: true, settings: short,
			begin: func(t *trial) { t.toBackend.slow(down, 5000, 0) }, calls: []expect{as(all, "504", "warn timeout", once)}},
		{fault: "the request is cut at byte 1", warm: true, reconnects: true, begin: func(t *trial) { t.toBackend.cut(up, 1) }, calls: cut},
		{fault: "the request is cut at byte 40", warm: true, reconnects: true, begin: func(t *trial) { t.toBackend.cut(up, 40) }, calls: cut},
		{fault: "the request is cut in its body, at byte 40000", warm: true, begin: func(t *trial) { t.toBackend.cut(up, 40_000) },
			calls: []expect{{methods: bodies, size: 60_000, sees: []string{"502"}, log: []string{"error bad_answer"}, executed: never}}},
		{fault: "the answer is cut at byte 1", warm: true, reconnects: true, begin: func(t *trial) { t.toBackend.cut(down, 1) },
			calls: []expect{as(writes, "502", "error bad_answer", once)}},
		{fault: "the answer is cut at byte 100", warm: true, reconnects: true, begin: func(t *trial) { t.toBackend.cut(down, 100) },
			// The header may be in those bytes. Then it is too late for a 502.
			calls: []expect{{methods: bodies, sees: []string{"502", nothing}, log: []string{"error bad_answer", "warn backend_cut"}, executed: once}}},
		{fault: "a long answer is cut at byte 20000", warm: true, long: true, begin: func(t *trial) { t.toBackend.cut(down, 20_000) },
			calls: []expect{as(reads, cutOff, "warn backend_cut", never)}},
		{fault: "half-open: the request does not arrive", warm: true, settings: short, begin: func(t *trial) { t.toBackend.swallow(up) },
			calls: []expect{as(all, "504", "warn timeout", never)}, within: 15 * time.Second, after: lateClose},
		{fault: "half-open: the answer does not arrive", warm: true, settings: short, begin: func(t *trial) { t.toBackend.swallow(down) },
			calls: []expect{as(all, "504", "warn timeout", once)}, within: 15 * time.Second, after: lateClose},
		{fault: "half-open: the peer vanishes for good, its TCP stays", warm: true, settings: short, begin: func(t *trial) { t.backend.silence() },
			calls: []expect{as(posts, "504", "warn timeout", never)}, within: 15 * time.Second, after: "at once, or within 15 s on HTTP/2: pings find the dead connection"},
		{fault: "slow close, by 1 s", begin: func(t *trial) {
			t.toBackend.spoil("slow_close", up, map[string]int{"delay": 1000})
			t.toBackend.spoil("slow_close", down, map[string]int{"delay": 1000})
		}, calls: []expect{as(all, done, "info", once)}},
		{fault: "refused", apart: true, begin: func(t *trial) { t.toBackend.away() }, end: func(t *trial) { t.toBackend.back() },
			calls: []expect{as(all, "502", "error refused", never)}},
	}
}

// tlsRows are what goes wrong with the handshake.
func tlsRows() []row {
	list := []row{
		{fault: "reset in the handshake", begin: func(t *trial) { t.toBackend.spoil("reset_peer", down, map[string]int{"timeout": 0}) },
			calls: []expect{as(all, "502", "error tls_closed", never)}},
		{fault: "the handshake is cut at byte 500", begin: func(t *trial) { t.toBackend.cut(down, 500) },
			calls: []expect{as(posts, "502", "error tls_closed", never)}},
		{fault: "the handshake is not answered", settings: short, begin: leadTo(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), end: leadBack,
			calls: []expect{{methods: bodies, sees: []string{"502", "504"}, log: []string{"error tls_silence", "warn timeout"}, executed: never}}},
		{fault: "garbage instead of a handshake", begin: leadTo(func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2p1\r\n") }), end: leadBack,
			calls: []expect{as(bodies, "502", "error tls_not_spoken", never)}},
	}
	for _, wrong := range []struct {
		kind  backend.CertificateKind
		class string
	}{
		{backend.CertificateWrongCA, "tls_unknown_authority"}, {backend.CertificateExpired, "tls_expired"}, {backend.CertificateWrongName, "tls_wrong_name"},
	} {
		list = append(list, row{fault: "the backend's certificate: " + string(wrong.kind), begin: present(wrong.kind), end: present(backend.CertificateRight),
			calls: []expect{as(bodies, "502", "error "+wrong.class, never)}})
	}
	for i := range list {
		list[i].apart = true
	}
	return list
}

// present changes the certificate, and ends the connections that have another.
func present(kind backend.CertificateKind) func(*trial) {
	return func(t *trial) {
		t.Helper()
		if err := t.backend.certificates.Present(kind); err != nil {
			t.Error(err)
		}
		t.toBackend.away()
		t.toBackend.back()
	}
}

// leadTo makes connections to the backend end at somebody who serves each of
// them once, until the test ends.
func leadTo(serve func(net.Conn)) func(*trial) {
	return func(t *trial) {
		t.Helper()
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() { // ends with the listener
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go func() { // ends with the wire
					defer conn.Close()
					serve(conn)
				}()
			}
		}()
		t.toBackend.lead(listener.Addr().String())
	}
}

func leadBack(t *trial) { t.Helper(); t.toBackend.lead(t.backend.address) }

// harmRows are what the backend itself does.
func harmRows(http1 bool) []row {
	// A stream that is reset leaves its connection alone.
	reset := row{fault: "reset instead of an answer, the backend has not acted", begin: harm(backend.Reset()), end: noHarm,
		calls: []expect{as(writes, "502", "error bad_answer", never)}}
	resetAfter := row{fault: "reset instead of an answer, the backend has acted", begin: harm(backend.ResetAfter()), end: noHarm,
		calls: []expect{as(writes, "502", "error bad_answer", once)}}
	name := "https://scim.corp.invalid" + basePath
	dns := row{fault: "its name does not resolve", settings: map[string]string{"BACKEND_URL": name},
		calls: []expect{{methods: all, sees: []string{"502"}, log: []string{"error dns", "error dns_no_answer"}, executed: never}},
		end: func(t *trial) {
			t.proxy.kill()
			t.settings["BACKEND_URL"] = "https://" + t.toBackend.Listen + basePath
			t.up()
			t.settings["BACKEND_URL"] = name
		}, after: "at once, with a name that resolves"}
	dns.calls[0].methods = posts
	killed := row{fault: "the backend is killed in mid-call, before it has acted, and comes back", hold: beforehand, during: restart,
		calls: []expect{as(bodies, "502", "error bad_answer", onceOrNot)}}
	killedAfter := row{fault: "the backend is killed in mid-call, after it has acted, and comes back", hold: afterwards, during: restart,
		calls: []expect{as(writes, "502", "error bad_answer", once)}}
	loaded := row{fault: "the backend restarts under 20 calls a second", begin: func(t *trial) {
		t.load = newLoad(t.world)
		until(t.T, "calls succeed", func() bool { good, _ := t.load.count(time.Time{}); return good > rate })
	}, during: func(t *trial) {
		t.backend.stop()
		since := time.Now()
		until(t.T, "calls fail", func() bool { _, bad := t.load.count(since); return bad > 2 })
		t.backend.start()
	}, end: func(t *trial) { t.load.stop() },
		calls: []expect{{methods: posts, sees: []string{done, "502"}, executed: onceOrNot,
			log: []string{"info", "error bad_answer", "error tls_closed"}}}}
	list := []row{reset, resetAfter, killed, killedAfter, loaded}
	if http1 {
		return append(list, dns) // long before HTTP
	}
	return list
}

// harm begins what the lab's backend has of trouble, for calls that are counted.
func harm(h backend.Harm) func(*trial) {
	return func(t *trial) { t.spell = t.backend.trouble.Begin(h, backend.When{}) }
}

func noHarm(t *trial) { t.spell.End() }

// restart ends the backend's process while it has the call, as far as the
// network can tell, and starts it again.
func restart(t *trial) {
	t.Helper()
	t.held()
	t.backend.server.Close()
	t.backend.release()
	t.backend.stop()
	t.backend.start()
}
