package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// The decision that every call pays for, with rules or without, costs no garbage.
func TestBodyKindAllocatesNothing(t *testing.T) {
	for _, rules := range []scim.Set{0, 1 << scim.OpCase} {
		n, err := scim.New(scim.Options{Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		p := &Proxy{options: Options{Normalizer: n}}
		r := &http.Request{Header: http.Header{"Content-Type": {"application/scim+json; charset=utf-8"}, "Content-Encoding": {"identity"}}}
		x := &exchange{method: http.MethodPatch, endpoint: "/Users/{id}", body: &requestBody{length: 1}}
		if _, concerned := p.bodyKind(x, r); concerned != (rules != 0) {
			t.Errorf("with %q: concerned is %v", rules, concerned)
		}
		header := http.Header{"Accept": {"*/*"}}
		got := testing.AllocsPerRun(100, func() {
			_, _ = p.bodyKind(x, r)
			_ = isEncoded(r.Header["Content-Encoding"])
			p.normalizeHeader(x, header)
		})
		if got > 0 {
			t.Errorf("with %q: %v allocations, ceiling 0", rules, got)
		}
	}
}

// A client that announces much and sends little costs little.
func TestAnnouncedLengthIsNotAllocated(t *testing.T) {
	const announced = 100 << 20
	for _, length := range []int64{announced, -1} {
		x := &exchange{body: &requestBody{body: io.MultiReader(strings.NewReader("{"), broken{}), length: length}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := x.holdBody(announced, true, newLoad(1, 0))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, errBodyIncomplete) || used > 1<<20 {
			t.Errorf("length %d: %v, %d bytes allocated", length, err, used)
		}
	}
}

// broken is a client that has left.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// The rules may cost an ordinary PATCH some garbage, but not much.
func TestNormalizedPatchStaysSmall(t *testing.T) {
	rules, err := scim.ParseRules("all")
	if err != nil {
		t.Fatal(err)
	}
	cost := func(rules scim.Set) int64 {
		normalizer, err := scim.New(scim.Options{Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		cache := token.NewCache(token.ReadCredentials(token.Static(token.NewSecret("token"))), token.Windows{}, zap.NewNop())
		p := newProxy(t, cache, normalizer)
		return testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPatch, "/Users/1", strings.NewReader(smallPatch))
				r.Header.Set("Authorization", "Bearer token")
				p.ServeHTTP(httptest.NewRecorder(), r)
			}
		}).AllocedBytesPerOp()
	}
	if none, all := cost(0), cost(rules); all > none+8<<10 {
		t.Errorf("%d bytes a call with all rules, %d with none", all, none)
	}
}

const smallPatch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`

func newProxy(t *testing.T, cache *token.Cache[token.Credentials], n *scim.Normalizer) *Proxy {
	t.Helper()
	p, err := New(Options{
		Backend: &url.URL{Scheme: "https", Host: "backend.example.com"}, Timeout: time.Minute, MaxBody: 1 << 20, MaxConcurrent: 10, Inbound: cache, Outbound: cache,
		Explain: func(error) Fault { return Fault{} }, Log: zap.NewNop(), Normalizer: n,
		Transport: transportFunc(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: http.StatusNoContent, Request: r, Header: http.Header{}, Body: http.NoBody}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
