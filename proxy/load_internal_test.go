package proxy

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/proxy/scim"
)

// The worst bodies that are known take no more than is reserved for them.
func TestMemoryOfTheWorstBodies(t *testing.T) {
	rules, err := scim.ParseRules("all")
	if err != nil {
		t.Fatal(err)
	}
	normalizer, err := scim.New(scim.Options{Rules: rules, Drop: []string{"title"}})
	if err != nil {
		t.Fatal(err)
	}
	list := func(each string, n int) string { return strings.TrimSuffix(strings.Repeat(each+",", n), ",") }
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	for name, operations := range map[string]string{
		"numbers":        `{"op":"Add","path":"members","value":[` + list("1", 131_000) + `]}`,
		"short removals": `{"op":"Remove","path":"members","value":[` + list(`{"value":"1"}`, 65_000) + `]}`,
	} {
		body := []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`)
		runtime.GC()
		before := heap()
		peak := peakHeap(func() { _, _ = normalizer.Request(scim.Patch, scim.User, body) })
		reserved := min(int64(len(body))*parsedFactor, parsedMost)
		if took := int64(peak - before); took > reserved {
			t.Errorf("%s: %d bytes took %d MiB, and %d MiB are reserved", name, len(body), took>>20, reserved>>20)
		}
	}
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// peakHeap is the most that was seen while a function ran.
func peakHeap(run func()) (peak uint64) {
	stop, seen := make(chan struct{}), make(chan uint64)
	go func() { // ends with run
		most := heap()
		for {
			select {
			case <-stop:
				seen <- most
				return
			case <-time.After(200 * time.Microsecond):
				most = max(most, heap())
			}
		}
	}()
	run()
	close(stop)
	return <-seen
}
