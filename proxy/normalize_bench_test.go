//go:build unix

package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// The calls of the benchmark, in the dialect without aadOptscim062020, and a
// backend that answers as most do.
var benchCalls = []struct{ name, target, body, answer string }{
	{"user", "/Users/2a69c9a6", patch(`{"op":"Replace","path":"displayName","value":"Ada Lovelace"},` +
		`{"op":"Replace","path":"active","value":"False"},` +
		`{"op":"Add","path":"emails[type eq \"work\"].value","value":"ada@contoso.com"},` +
		`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"271"}`),
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2a69c9a6","userName":"ada@contoso.com","active":false,` +
			`"displayName":"Ada Lovelace","emails":[{"type":"work","value":"ada@contoso.com"}],"meta":{"resourceType":"User"}}`},
	{"member", "/Groups/2a69c9a6", patch(`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"06b07648"}]}`), ""},
}

const (
	benchRound   = 500 // calls of a subject before the other's turn
	benchClients = 8   // calls at once
)

// BenchmarkNormalizedPatch compares the processor time of a proxied PATCH with
// NORMALIZE=all and with none. Each subject is a process of its own, so that
// neither the backend's nor the client's share counts; they take turns in
// rounds. One operation is a round of both. "all/none" is the median of the
// rounds; at most 1.15 is wanted.
func BenchmarkNormalizedPatch(b *testing.B) {
	authority, err := pki.New("Contoso Private Root")
	if err != nil {
		b.Fatal(err)
	}
	for _, call := range benchCalls {
		b.Run(call.name, func(b *testing.B) {
			backend := startBenchBackend(b, authority, call.answer)
			none := startSubject(b, "none", backend, authority)
			all := startSubject(b, "all", backend, authority)
			none.round(b, call.target, call.body) // warm: connections, pools, caches
			all.round(b, call.target, call.body)
			var nones, alls, ratios []float64
			for b.Loop() {
				n, a := none.round(b, call.target, call.body), all.round(b, call.target, call.body)
				nones, alls, ratios = append(nones, n), append(alls, a), append(ratios, a/n)
			}
			b.ReportMetric(median(nones), "none-cpu-µs/call")
			b.ReportMetric(median(alls), "all-cpu-µs/call")
			b.ReportMetric(median(ratios), "all/none")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func startBenchBackend(b *testing.B, authority *pki.Authority, answer string) string {
	b.Helper()
	certificate, err := authority.Certificate(pki.Leaf{Names: []string{serverName}})
	if err != nil {
		b.Fatal(err)
	}
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if answer == "" {
			rw.WriteHeader(http.StatusNoContent)
			return
		}
		rw.Header().Set("Content-Type", "application/scim+json")
		_, _ = io.WriteString(rw, answer)
	}))
	backend.TLS, backend.EnableHTTP2 = serverConfig(certificate), true
	backend.StartTLS()
	b.Cleanup(backend.Close)
	return backend.URL
}

// subject is a proxy in a process of its own.
type subject struct {
	url, cpu string
	client   *http.Client
}

func startSubject(b *testing.B, rules, backend string, authority *pki.Authority) *subject {
	b.Helper()
	child := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestServeAsBenchmarkSubject$")
	child.Env = append(os.Environ(), "BENCH_RULES="+rules, "BENCH_BACKEND="+backend, "BENCH_CA="+string(authority.PEM()))
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	// Before the context of b ends, whose kill is for a test that fails.
	b.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		b.Fatalf("the subject did not start: %v", err)
	}
	addresses := strings.Fields(line)
	transport := &http.Transport{MaxIdleConnsPerHost: benchClients}
	b.Cleanup(transport.CloseIdleConnections)
	return &subject{url: "http://" + addresses[0], cpu: "http://" + addresses[1], client: &http.Client{Transport: transport}}
}

// round makes the calls and returns the processor time of one, in µs.
func (s *subject) round(b *testing.B, target, body string) float64 {
	b.Helper()
	before := s.used(b)
	var left atomic.Int64
	left.Store(benchRound)
	var wait sync.WaitGroup
	for range benchClients {
		wait.Go(func() { // ends with the round
			for left.Add(-1) >= 0 {
				if err := s.call(b.Context(), target, body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return (s.used(b) - before) / benchRound
}

func (s *subject) call(ctx context.Context, target, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPatch, s.url+target, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+entraToken)
	r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	response, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode/100 != 2 {
		return fmt.Errorf("answer %d %s, %w", response.StatusCode, text, err)
	}
	return nil
}

// used returns the subject's processor time so far, in µs.
func (s *subject) used(b *testing.B) float64 {
	b.Helper()
	response, err := s.client.Get(s.cpu)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	used, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// TestServeAsBenchmarkSubject is no test: it is the process that
// BenchmarkNormalizedPatch measures, until that kills it.
func TestServeAsBenchmarkSubject(t *testing.T) {
	rules := os.Getenv("BENCH_RULES")
	if rules == "" {
		t.Skip("only for BenchmarkNormalizedPatch")
	}
	debug.SetGCPercent(400) // the handler's
	roots, err := upstream.ParseBundle([]byte(os.Getenv("BENCH_CA")))
	if err != nil {
		t.Fatal(err)
	}
	base, err := url.Parse(os.Getenv("BENCH_BACKEND"))
	if err != nil {
		t.Fatal(err)
	}
	// The line of an exchange has its cost, as in the handler, a write included.
	sink, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(sink), zap.InfoLevel))
	handler, err := proxy.New(proxy.Options{
		Backend: base, Host: serverName, Timeout: 50 * time.Second, MaxBody: 1 << 20, UserAgent: "proxy-test",
		Inbound:  token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(entraToken))), log),
		Outbound: token.NewCache(token.ReadCredentials(token.Static(token.NewSecret(backendToken))), log),
		Transport: upstream.NewTransport(upstream.Options{
			ServerName: serverName, Roots: func(context.Context) (*upstream.Roots, error) { return roots, nil },
		}),
		Explain: func(error) proxy.Fault { return proxy.Fault{Problem: proxy.ErrBadAnswer} },
		Log:     log, Normalizer: normalizer(t, rules), PublicURL: "https://scim.example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	cpu := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Error(err)
		}
		used := usage.Utime.Nano() + usage.Stime.Nano()
		_, _ = fmt.Fprint(rw, float64(used)/1000)
	})
	fmt.Println(listen(t, handler), listen(t, cpu))
	select {} // until killed
}

// listen serves a handler for as long as the process lives.
func listen(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener) //nolint:errcheck // ends with the process
	return listener.Addr().String()
}
