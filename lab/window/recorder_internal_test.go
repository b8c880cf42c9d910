package window

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parts are the steps by which an exchange becomes known. Each runs after the
// ones that it names.
func parts(r *Recorder) (steps []func(), after map[int]int) {
	var e *entry
	c := &call{Pair: Pair{Got: Message{StartLine: "GET /b HTTP/1.1"}}}
	return []func(){
		func() {
			e = r.begin(Exchange{ID: "id", Start: time.Unix(1000, 0), Method: "GET", Target: "/a"}, "trace", nil)
		},
		func() { r.reach("trace", c) },
		func() { r.leave(c, Message{Body: []byte("got")}, Message{Status: 200, Body: []byte("said")}) },
		func() {
			r.end(e, Message{Body: []byte("sent")}, Message{Status: 200, Body: []byte("answer")}, time.Second)
		},
		func() {
			fmt.Fprintln(r, `{"msg":"exchange","request_id":"id","rules":"a,b","class":"x","cause":"y","remedy":"z"}`)
		},
	}, map[int]int{2: 1, 3: 0}
}

func TestPartsArriveInAnyOrder(t *testing.T) {
	want := []Exchange{{
		ID: "id", Start: time.Unix(1000, 0), Duration: time.Second, Method: "GET", Target: "/a", Status: 200, Outcome: Proxied,
		Rules: []string{"a", "b"}, Class: "x", Cause: "y", Remedy: "z", Logged: true,
		Entra: Message{Body: []byte("sent")}, Answer: Message{Status: 200, Body: []byte("answer")},
		Backend: []Pair{{Got: Message{StartLine: "GET /b HTTP/1.1", Body: []byte("got")}, Said: Message{Status: 200, Body: []byte("said")}}},
	}}
	_, after := parts(new(Recorder))
	orders := permutations([]int{0, 1, 2, 3, 4}, after)
	if len(orders) != 30 { // 5! over 2 for each of two constraints
		t.Fatalf("%d orders", len(orders))
	}
	for _, order := range orders {
		var r Recorder
		steps, _ := parts(&r)
		for _, i := range order {
			steps[i]()
		}
		if diff := cmp.Diff(want, r.Exchanges()); diff != "" {
			t.Errorf("order %v: %s", order, diff)
		}
		if want := len("sent") + len("got") + len("said") + len("answer") + len("GET /b HTTP/1.1") + len("xyz"); r.bytes != want || r.ring[0].size != want {
			t.Errorf("order %v: counted %d bytes, want %d", order, r.bytes, want)
		}
	}
}

// permutations returns the orders in which no item comes before the one that it
// is after.
func permutations(items []int, after map[int]int) (orders [][]int) {
	if len(items) == 0 {
		return [][]int{nil}
	}
	for i, last := range items {
		rest := append(append([]int(nil), items[:i]...), items[i+1:]...)
		blocked := false
		for _, item := range rest {
			first, ok := after[item]
			blocked = blocked || ok && first == last
		}
		if blocked {
			continue
		}
		for _, order := range permutations(rest, after) {
			orders = append(orders, append(order, last))
		}
	}
	return orders
}

func TestMemoryIsBounded(t *testing.T) {
	t.Run("many", func(t *testing.T) {
		var r Recorder
		for i := range 3 * keep {
			r.begin(Exchange{ID: fmt.Sprint(i)}, fmt.Sprint("t", i), nil)
		}
		if len(r.ring) != keep || r.ring[0].ID != fmt.Sprint(2*keep) {
			t.Errorf("%d exchanges from %s", len(r.ring), r.ring[0].ID)
		}
		if len(r.byID) != keep || len(r.byTrace) != keep {
			t.Errorf("%d ids, %d traceparents", len(r.byID), len(r.byTrace))
		}
	})
	t.Run("large", func(t *testing.T) {
		var r Recorder
		body := make([]byte, bodyLimit)
		for i := range 300 {
			e := r.begin(Exchange{}, fmt.Sprint(i), nil)
			for range 2 {
				c := new(call)
				r.reach(e.trace, c)
				r.leave(c, Message{Body: body}, Message{Body: body, Header: http.Header{"A": {"b"}}})
			}
			r.end(e, Message{Body: body}, Message{Body: body}, 0)
		}
		sum := 0
		for _, e := range r.ring {
			sum += e.size
		}
		if r.bytes != sum || sum > budget || sum < budget*9/10 {
			t.Errorf("%d bytes counted, %d there, of %d", r.bytes, sum, budget)
		}
	})
	t.Run("long targets and causes", func(t *testing.T) {
		var r Recorder
		for i := range 100 {
			line := strings.Repeat("x", 1<<20) // as long as net/http lets it be
			e := r.begin(Exchange{ID: fmt.Sprint(i), Entra: Message{StartLine: line}}, "", nil)
			r.logged(logLine{RequestID: e.ID, Cause: line})
		}
		if len(r.ring) > budget>>21 {
			t.Errorf("%d of two MiB each", len(r.ring))
		}
	})
	t.Run("early", func(t *testing.T) {
		var r Recorder
		for i := range 10 * keepEarly {
			r.reach(fmt.Sprint(i), new(call))
			fmt.Fprintf(&r, "{\"msg\":\"exchange\",\"request_id\":\"%d\"}\n", i)
		}
		if calls, logs := len(r.calls.parts), len(r.logs.parts); calls != keepEarly || logs != keepEarly || len(r.calls.order) != keepEarly {
			t.Errorf("%d calls, %d lines wait", calls, logs)
		}
	})
	t.Run("late", func(t *testing.T) { // for what was forgotten
		var r Recorder
		e := r.begin(Exchange{}, "trace", nil)
		c := new(call)
		r.reach("trace", c)
		for range keep {
			r.begin(Exchange{}, "", nil)
		}
		r.leave(c, Message{Body: []byte("late")}, Message{})
		r.end(e, Message{Body: []byte("late")}, Message{}, 0)
		if r.bytes != 0 {
			t.Errorf("%d bytes counted", r.bytes)
		}
	})
}

func TestSameIDTwice(t *testing.T) {
	var r Recorder
	r.begin(Exchange{ID: "x", Target: "/1"}, "", nil)
	r.begin(Exchange{ID: "x", Target: "/2"}, "", nil)
	fmt.Fprintln(&r, `{"msg":"exchange","request_id":"x","class":"second"}`)
	all := r.Exchanges()
	if all[0].ID != "x" || all[1].ID == "x" || all[0].Class != "" || all[1].Class != "second" {
		t.Errorf("%+v", all)
	}
	if d, ok := r.detail(all[1].ID); !ok || d.Target != "/2" {
		t.Errorf("by its own id: %+v", d)
	}
}

func TestPulse(t *testing.T) {
	var c counts
	now := time.Unix(1_000_000, 0)
	add := func(ago int, outcome string, ms int) {
		c.add(now.Add(-time.Duration(ago)*time.Second), outcome, time.Duration(ms)*time.Millisecond)
	}
	add(span, Aborted, 7) // too old: its slot becomes that of now
	for ms := 1; ms <= 20; ms++ {
		add(0, Proxied, ms)
	}
	add(3, Failed, 500)
	add(3, Refused, 100)
	add(span-1, Aborted, 7)
	want := pulse{
		Now: now.Unix(), Outcomes: outcomes[:], P50: 11, P95: 100,
		Totals: map[string]uint64{Proxied: 20, Refused: 1, Failed: 1, Aborted: 2},
		Seconds: []beat{
			{now.Unix() - span + 1, []uint32{0, 0, 0, 1}, 7, 7},
			{now.Unix() - 3, []uint32{0, 1, 1, 0}, 100, 500},
			{now.Unix(), []uint32{20, 0, 0, 0}, 10, 19},
		},
	}
	if diff := cmp.Diff(want, c.pulse(now)); diff != "" {
		t.Error(diff)
	}
	for range 10 * samples {
		add(0, Proxied, 3)
	}
	if got := c.pulse(now).Seconds[2].By[0]; got != 20+10*samples {
		t.Errorf("%d calls counted", got)
	}
}

// A body that is cut within a character is still text; what is no text is not
// shown as any.
func TestBodiesAsText(t *testing.T) {
	for name, test := range map[string]struct {
		m      Message
		body   string
		binary bool
	}{
		"text":     {Message{Body: []byte("é")}, "é", false},
		"cut":      {Message{Body: []byte("aé€😀")[:7], Truncated: true}, "aé€", false},
		"binary":   {Message{Body: []byte{0x1f, 0x8b, 0xff}}, "", true},
		"cut, bad": {Message{Body: []byte{'a', 0xff, 'b'}, Truncated: true}, "", true},
		"none":     {Message{Truncated: true}, "", false},
	} {
		if got := test.m.wire(); got.Body != test.body || got.Binary != test.binary {
			t.Errorf("%s: %q, binary %t", name, got.Body, got.Binary)
		}
	}
}

// However the log arrives, it says the same.
func FuzzWrite(f *testing.F) {
	const line = `{"level":"warn","msg":"exchange","request_id":"a","rules":"x,y","class":"c"}`
	for _, seed := range []string{line + "\n", line, "\n\n" + line + "\r\n" + line, "{}{}", `{"msg":"exchange"`, "text\n" + line + "\n"} {
		f.Add([]byte(seed), uint(3))
	}
	f.Add([]byte(strings.Repeat("x", lineLimit+1)+"\n"+line+"\n"), uint(1000))
	f.Fuzz(func(t *testing.T, log []byte, size uint) {
		read := func(size int) []Exchange {
			var r Recorder
			r.begin(Exchange{ID: "a"}, "", nil)
			for rest := log; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				piece := rest[:min(size, len(rest))]
				if n, err := r.Write(piece); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			if len(r.lines.pending) > lineLimit {
				t.Errorf("%d bytes wait", len(r.lines.pending))
			}
			return r.Exchanges()
		}
		if diff := cmp.Diff(read(len(log)), read(int(size%4096)+1)); diff != "" {
			t.Error(diff)
		}
		if bytes.HasPrefix(log, []byte(line+"\n")) && !read(len(log))[0].Logged {
			t.Error("a line was lost")
		}
	})
}

func FuzzRedactTarget(f *testing.F) {
	f.Add("/a?code=canary-key&b=1")
	f.Add("?CODE=x&code=y&code")
	f.Add("/canary%20key/?%63ode=canary%20key&access_token=canary-token")
	f.Fuzz(func(t *testing.T, target string) {
		clean, secrets := redactTarget(target)
		m := Message{StartLine: clean}
		m.scrub(secrets) // as for all of a request
		for _, secret := range secrets {
			if len(secret) >= shortest && strings.Contains(m.StartLine, secret) {
				t.Errorf("%q of %q is in %q", secret, target, clean)
			}
		}
		if len(secrets) == 0 && clean != target {
			t.Errorf("%q became %q", target, clean)
		}
	})
}
