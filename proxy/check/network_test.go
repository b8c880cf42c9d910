package check_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/token"
)

// runNetwork runs the check as far as TLS.
func runNetwork(t *testing.T, options check.Options) check.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	report := check.Run(ctx, options, func(result check.Result) {
		if result.Step == "tls" {
			cancel()
		}
	})
	for _, step := range []string{"dns", "tcp", "tls"} {
		found := finding(t, report, step)
		for _, inside := range []string{"127.0.0.1", "192.0.2.", "example.com", "CN=", "Contoso", "sha256", "%!"} {
			if strings.Contains(found.Found+found.Remedy, inside) {
				t.Errorf("%s shows %q to everybody: %+v", step, inside, found)
			}
		}
		if strings.HasSuffix(found.Remedy, ".") || found.Status == check.Fail && (found.Class == "" || found.Remedy == "") {
			t.Errorf("%s: %+v", step, found)
		}
	}
	return report
}

// wantStep compares what a step found: its found text, and parts of its details.
func wantStep(t *testing.T, got check.Finding, status check.Status, class, found string, details ...string) {
	t.Helper()
	if got.Status != status || got.Class != class || !strings.Contains(got.Found, found) {
		t.Errorf("got %+v\nwant %s %q with %q", got, status, class, found)
	}
	text := strings.Join(got.Details, "\n")
	for _, detail := range details {
		if !strings.Contains(text, detail) {
			t.Errorf("no detail %q in\n%s", detail, text)
		}
	}
}

func TestNetworkOfABackendThatIsWell(t *testing.T) {
	w := newWorld(t, backend.Options{})
	report := runNetwork(t, w.Options)
	wantStep(t, finding(t, report, "dns"), check.Pass, "", "named by its address", "address: 127.0.0.1")
	wantStep(t, finding(t, report, "tcp"), check.Pass, "", "connected", w.server.Listener.Addr().String()+" answers")
	wantStep(t, finding(t, report, "tls"), check.Pass, "", "TLS 1.3, HTTP/2, certificate valid for 89 days",
		"protocol: TLS 1.3, TLS_", "ALPN h2",
		`issuer "CN=Contoso Private Root", signed by PEM block 1 of BACKEND_CA ("CN=Contoso Private Root", sha256:`,
		`names ["scim.corp.example.com"], valid from 20`,
		`verified with PEM block 1 of BACKEND_CA ("CN=Contoso Private Root", sha256:`,
		"the backend asks for no client certificate")
}

// afar are options for a backend that no socket leads to: names resolve and
// addresses answer as told.
func afar(t *testing.T, lookup func(context.Context, string) ([]netip.Addr, error), dial func(context.Context, string, string) (net.Conn, error)) check.Options {
	t.Helper()
	base, err := url.Parse("http://backend.example.com/scim")
	if err != nil {
		t.Fatal(err)
	}
	return check.Options{
		Settings: check.Finding{Status: check.Pass}, Backend: base, ServerName: "backend.example.com", Timeout: 50 * time.Second,
		Secrets: []check.Secret{{Setting: check.Inbound, Read: func(context.Context) (token.Credentials, error) { return nil, errors.New("none") }}},
		Lookup:  lookup, Dial: dial, Log: zap.NewNop(),
	}
}

// leading resolves every name to the same addresses.
func leading(addresses ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) (list []netip.Addr, err error) {
		for _, address := range addresses {
			list = append(list, netip.MustParseAddr(address))
		}
		return list, nil
	}
}

// listening is an address at which somebody listens, and says nothing.
func listening(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		_, _ = io.Copy(io.Discard, far) // ends when near is closed
	}()
	return near, nil
}

// vanishing is an address from which nothing comes back.
func vanishing(ctx context.Context) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// erring is an address at which the system calls fail.
func erring(number syscall.Errno) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", number)}
	}
}

func TestNames(t *testing.T) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return listening(ctx) }
	fails := func(err error) func(context.Context, string) ([]netip.Addr, error) {
		return func(context.Context, string) ([]netip.Addr, error) { return nil, err }
	}
	many := leading(slices.Repeat([]string{"192.0.2.7"}, 11)...)
	for name, test := range map[string]struct {
		lookup       func(context.Context, string) ([]netip.Addr, error)
		status       check.Status
		class, found string
		details      []string
	}{
		"one address":   {leading("192.0.2.7"), check.Pass, "", "1 address", []string{"name: backend.example.com", "address: 192.0.2.7"}},
		"two addresses": {leading("192.0.2.7", "2001:db8::7"), check.Pass, "", "2 addresses", []string{"address: 192.0.2.7", "address: 2001:db8::7"}},
		"many":          {many, check.Pass, "", "11 addresses", []string{"and 3 more"}},
		"unknown":       {fails(&net.DNSError{Err: "no such host", IsNotFound: true}), check.Fail, "dns", "the backend's name does not resolve", []string{"name: backend.example.com"}},
		"failing":       {fails(&net.DNSError{Err: "server misbehaving"}), check.Fail, "dns_no_answer", "no answer from the DNS servers", nil},
		"silent": {func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, check.Fail, "dns_no_answer", "no answer from the DNS servers", nil},
		"metadata service": {leading("192.0.2.7", "169.254.169.254"), check.Fail, "forbidden_address", "never connected to", []string{"address: 169.254.169.254"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				report := runNetwork(t, afar(t, test.lookup, dial))
				wantStep(t, finding(t, report, "dns"), test.status, test.class, test.found, test.details...)
				if tcp := finding(t, report, "tcp"); (tcp.Status == check.Skip) != (test.status == check.Fail) {
					t.Errorf("tcp: %+v", tcp)
				}
			})
		})
	}
}

func TestAddresses(t *testing.T) {
	const one, two, three, six = "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::6"
	type world map[string]func(context.Context) (net.Conn, error)
	for name, test := range map[string]struct {
		world        world
		addresses    []string
		status       check.Status
		class, found string
		details      []string
	}{
		"one":         {world{one: listening}, []string{one}, check.Pass, "", "connected", []string{one + ":80 answers"}},
		"all of many": {world{one: listening}, slices.Repeat([]string{one}, 9), check.Pass, "", "connected", []string{"1 more were not tried"}},
		"one of three": {
			world{one: erring(syscall.ECONNREFUSED), two: listening, three: vanishing}, []string{one, two, three},
			check.Warn, "", "2 of 3 addresses do not answer",
			[]string{one + ":80 does not answer: dial: connect: connection refused (refused)", two + ":80 answers", three + ":80 does not answer: no answer 1s after the first (no_answer)"},
		},
		"none, the first refuses":   {world{one: erring(syscall.ECONNREFUSED), two: vanishing}, []string{one, two}, check.Fail, "refused", "no connection to the backend", []string{two + ":80 does not answer"}},
		"none, the first is silent": {world{one: erring(syscall.ECONNREFUSED), two: vanishing}, []string{two, one}, check.Fail, "no_answer", "no connection to the backend", nil},
		"no route":                  {world{one: erring(syscall.EHOSTUNREACH)}, []string{one}, check.Fail, "unreachable", "no connection to the backend", nil},
		"no IPv6 here":              {world{one: listening, six: erring(syscall.ENETUNREACH)}, []string{six, one}, check.Pass, "", "connected", []string{"[" + six + "]:80 does not answer"}},
		"no IPv6 here, and silence": {world{one: vanishing, six: erring(syscall.ENETUNREACH)}, []string{six, one}, check.Fail, "no_answer", "no connection", nil},
		"no IPv6 here, nor IPv4":    {world{six: erring(syscall.ENETUNREACH)}, []string{six}, check.Fail, "unreachable", "no connection", nil},
		"silent alone":              {world{one: vanishing}, []string{one}, check.Fail, "no_answer", "no connection", nil},
		"refusing IPv6 beside IPv4": {world{one: listening, six: erring(syscall.ECONNREFUSED)}, []string{six, one}, check.Warn, "", "1 of 2 addresses", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := func(ctx context.Context, _, address string) (net.Conn, error) {
					host, _, err := net.SplitHostPort(address)
					if err != nil {
						return nil, err
					}
					if connect := test.world[host]; connect != nil {
						return connect(ctx)
					}
					return erring(syscall.ECONNREFUSED)(ctx) // a call, by name
				}
				report := runNetwork(t, afar(t, leading(test.addresses...), dial))
				wantStep(t, finding(t, report, "tcp"), test.status, test.class, test.found, test.details...)
				if tls := finding(t, report, "tls"); (tls.Status == check.Skip) != (test.status == check.Fail) {
					t.Errorf("tls: %+v", tls)
				}
			})
		})
	}
}

// The settings let http:// pass only if somebody asked for it.
func TestNoTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return listening(ctx) }
		report := runNetwork(t, afar(t, leading("192.0.2.7"), dial))
		wantStep(t, finding(t, report, "tls"), check.Warn, "", "in clear")
	})
}

func TestAddressesAreTriedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			time.Sleep(500 * time.Millisecond)
			return listening(ctx)
		}
		report := runNetwork(t, afar(t, leading(slices.Repeat([]string{"192.0.2.7"}, 8)...), dial))
		wantStep(t, finding(t, report, "tcp"), check.Pass, "", "connected")
		if report.Took > time.Second {
			t.Errorf("it took %v", report.Took)
		}
		time.Sleep(time.Second) // whoever still connects has to end in the bubble
	})
}

// Whatever is dead, a step ends in its time.
func TestNetworkInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Some system calls heed no context.
		deaf := make(chan struct{})
		defer close(deaf)
		options := afar(t, leading("192.0.2.7"), func(context.Context, string, string) (net.Conn, error) {
			<-deaf
			return nil, errors.New("over")
		})
		options.Backend.Scheme = "https"
		began := time.Now()
		wantStep(t, finding(t, runNetwork(t, options), "tcp"), check.Fail, "timeout", "no answer within 3s")
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("dead: %v", took)
		}
		// TLS that gets no answer.
		options = afar(t, leading("192.0.2.7"), func(ctx context.Context, _, _ string) (net.Conn, error) { return listening(ctx) })
		options.Backend.Scheme = "https"
		began = time.Now()
		wantStep(t, finding(t, runNetwork(t, options), "tls"), check.Fail, "tls_silence", "no TLS connection to the backend")
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("silent: %v", took)
		}
	})
}
