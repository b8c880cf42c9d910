//go:build unix

package failure

import "time"

// entraRows are faults between Entra and the proxy, with nothing between.
func entraRows() []row {
	list := []row{
		{fault: "latency, 300 ms each way", begin: func(t *trial) {
			t.fromEntra.slow(up, 300, 0)
			t.fromEntra.slow(down, 300, 0)
		}, calls: []expect{as(all, done, "info", once)}},
		{fault: "jitter, 150 ms and 150 more or less, in slices of 50 bytes", begin: func(t *trial) {
			for _, direction := range []string{up, down} {
				t.fromEntra.slow(direction, 150, 150)
				t.fromEntra.spoil("slicer", direction, map[string]int{"average_size": 50, "size_variation": 20, "delay": 1000})
			}
		}, calls: []expect{as(bodies, done, "info", once)}},
		{fault: "the request is cut at byte 1", begin: func(t *trial) { t.fromEntra.cut(up, 1) },
			calls: []expect{as(all, nothing, noLine, never)}},
		{fault: "the request is cut in its header, at byte 100", begin: func(t *trial) { t.fromEntra.cut(up, 100) },
			calls: []expect{as(all, nothing, noLine, never)}},
		{fault: "the request is cut in its body, at byte 600", begin: func(t *trial) { t.fromEntra.cut(up, 600) },
			calls: []expect{{methods: bodies, size: 2000, sees: []string{nothing}, log: cutBody(), executed: never}}},
		{fault: "the request is cut in its body, which streams to the backend", begin: func(t *trial) { t.fromEntra.cut(up, 40_000) },
			calls: []expect{{methods: bodies, size: 100_000, stream: true, sees: []string{nothing}, log: cutBody(), executed: never}}},
		{fault: "the answer is cut at byte 1", begin: func(t *trial) { t.fromEntra.cut(down, 1) },
			calls: []expect{as(writes, nothing, "info", once)}},
		{fault: "the answer is cut in its header, at byte 60", begin: func(t *trial) { t.fromEntra.cut(down, 60) },
			calls: []expect{as(writes, nothing, "info", once)}},
		{fault: "the answer is cut in its body, at byte 400", begin: func(t *trial) { t.fromEntra.cut(down, 400) },
			calls: []expect{as(bodies, cutOff, "info", once), {methods: reads, sees: []string{cutOff}, log: []string{"info", "info client_gone"}}}},
		{fault: "reset before the request", begin: func(t *trial) { t.fromEntra.spoil("reset_peer", up, map[string]int{"timeout": 0}) },
			calls: []expect{as(all, nothing, noLine, never)}},
		{fault: "reset instead of the answer", begin: func(t *trial) { t.fromEntra.spoil("reset_peer", down, map[string]int{"timeout": 0}) },
			calls: []expect{as(writes, nothing, "info", once)}},
		{fault: "half-open: the request does not arrive", patience: 2 * time.Second,
			begin: func(t *trial) { t.fromEntra.swallow(up) }, calls: []expect{as(all, silence, noLine, never)}},
		{fault: "half-open: the answer does not arrive", patience: 2 * time.Second,
			begin: func(t *trial) { t.fromEntra.swallow(down) }, calls: []expect{as(all, silence, "info", once)}},
		{fault: "the request's body comes at 1 KB/s, until Entra gives up", patience: 2 * time.Second,
			begin: func(t *trial) { t.fromEntra.spoil("bandwidth", up, map[string]int{"rate": 1}) },
			calls: []expect{{methods: bodies, size: 6_000, sees: []string{silence}, log: cutBody(), executed: never}}},
		{fault: "slow close, by 1 s", begin: func(t *trial) {
			t.fromEntra.spoil("slow_close", up, map[string]int{"delay": 1000})
			t.fromEntra.spoil("slow_close", down, map[string]int{"delay": 1000})
		}, calls: []expect{as(all, done, "info", once)}},
		{fault: "refused", begin: func(t *trial) { t.fromEntra.away() }, end: func(t *trial) { t.fromEntra.back() },
			calls: []expect{as(all, nothing, noLine, never)}},
		{fault: "Entra gives up while the backend works", patience: time.Second, begin: func(t *trial) { t.backend.hold(true) },
			end: func(t *trial) { t.backend.release() }, calls: []expect{as(writes, silence, "info client_gone", once)}},
	}
	for i := range list {
		list[i].pair = entraProxy
	}
	return list
}

// cutBody is the line of a body that did not arrive: the proxy notices that the
// client left, or that the body ends, whichever comes first.
func cutBody() []string { return []string{"warn body_incomplete", "info client_gone"} }

// hostRows are faults in front of the Functions host, and the death of the
// process behind it.
func hostRows() []row {
	list := []row{
		{fault: "the request is cut in its body, at byte 600", begin: func(t *trial) { t.fromEntra.cut(up, 600) },
			calls: []expect{{methods: bodies, size: 2000, sees: []string{nothing}, log: append(cutBody(), noLine), executed: never}}},
		{fault: "the answer is cut in its body, at byte 400", begin: func(t *trial) { t.fromEntra.cut(down, 400) },
			calls: []expect{as(bodies, cutOff, "info", once)}},
		{fault: "half-open: the answer does not arrive", patience: 2 * time.Second,
			begin: func(t *trial) { t.fromEntra.swallow(down) }, calls: []expect{as(posts, silence, "info", once)}},
		{fault: "the backend breaks an answer off, at byte 20000", begin: func(t *trial) { t.toBackend.cut(down, 20_000) }, warm: true, long: true,
			calls: []expect{as(reads, cutOff, "warn backend_cut", never)}},
		{fault: "SIGKILL before the backend has acted; the host starts the process again", during: killHosted, hold: beforehand,
			calls: []expect{as(bodies, "500", noLine, onceOrNot)}, within: 10 * time.Second},
	}
	for i := range list {
		list[i].pair, list[i].hosted = entraHost, true
	}
	return append(list, row{pair: entraHost, hosted: true, hostRepeats: 10, during: killHosted, hold: afterwards, within: 10 * time.Second,
		fault: "SIGKILL after a DELETE is done; the host starts the process again, and repeats the call",
		calls: []expect{{methods: []string{"DELETE"}, sees: []string{"404"}, log: []string{"info", noLine}, executed: once}}})
}

// killHosted kills the proxy while the backend has the call.
func killHosted(t *trial) {
	t.Helper()
	t.held()
	t.must(t.host.Kill())
	t.backend.release()
}
