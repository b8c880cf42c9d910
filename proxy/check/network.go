package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"example.com/entra-scim-proxy/proxy/upstream"
)

// networkLimit is how long each step of the network may take.
const networkLimit = 3 * time.Second

// maxAddresses is how many of the backend's addresses are tried, and shown.
const maxAddresses = 8

// straggle is how long an address may take to answer once another has.
const straggle = time.Second

// networkSteps connect to the backend, as far as its TLS.
func (c *check) networkSteps() []step {
	return []step{
		{name: "dns", needs: []string{"settings"}, limit: networkLimit, run: c.resolve},
		{name: "tcp", needs: []string{"dns"}, limit: networkLimit, run: c.connect},
		{name: "tls", needs: []string{"tcp", secretStep(BackendCA), secretStep(BackendCert)}, limit: networkLimit, run: c.shakeHands},
	}
}

// wire connects as calls do, but knows no certificates, which may not have been
// read yet: no TLS.
func (c *check) wire() *upstream.Transport {
	return upstream.NewTransport(upstream.Options{Timeout: c.Timeout, Lookup: c.Lookup, Dial: c.Dial})
}

// port is the backend's.
func (c *check) port() string {
	if port := c.Backend.Port(); port != "" {
		return port
	}
	if c.Backend.Scheme == "http" {
		return "80"
	}
	return "443"
}

// unresolved says in public why a name leads nowhere, by class.
var unresolved = map[string]string{
	"dns":               "the backend's name does not resolve",
	"dns_no_answer":     "no answer from the DNS servers",
	"forbidden_address": "the backend's name leads to an address that is never connected to",
}

// resolve looks up the addresses of the backend.
func (c *check) resolve(ctx context.Context) Finding {
	host := c.Backend.Hostname()
	addresses, err := c.wire().Lookup(ctx, host)
	details := []string{"name: " + host}
	for i, address := range addresses {
		if i == maxAddresses {
			details = append(details, fmt.Sprintf("and %d more", len(addresses)-i))
			break
		}
		details = append(details, "address: "+address.String())
	}
	if err != nil {
		finding := failed(err)
		finding.Details = details
		if found := unresolved[finding.Class]; found != "" {
			finding.Found = found
		}
		return finding
	}
	c.addrs = addresses
	if _, err := netip.ParseAddr(host); err == nil {
		return Finding{Status: Pass, Found: "the backend is named by its address", Details: details[1:]}
	}
	return Finding{Status: Pass, Found: count(len(addresses), "address", "addresses"), Details: details}
}

// count is a number of things.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// attempt is one address that was tried.
type attempt struct {
	address netip.Addr
	err     error // nil if it answered
}

// connect tries each address of the backend.
func (c *check) connect(ctx context.Context) Finding {
	attempts := c.attempts(ctx)
	var details []string
	var answering, silent int
	var first error // what calls fail with if none answers
	for _, tried := range attempts {
		target := net.JoinHostPort(tried.address.String(), c.port())
		if tried.err == nil {
			answering++
			details = append(details, target+" answers")
			continue
		}
		fault := upstream.Explain(tried.err)
		if errors.Is(tried.err, context.Canceled) && ctx.Err() == nil {
			fault.Class, fault.Cause = "no_answer", fmt.Sprintf("no answer %v after the first", straggle)
		}
		details = append(details, fmt.Sprintf("%s does not answer: %s (%s)", target, fault.Cause, fault.Class))
		if !noFamily(tried) {
			silent++
		}
		if first == nil || silent == 1 && !noFamily(tried) {
			first = tried.err
		}
	}
	if more := len(c.addrs) - len(attempts); more > 0 {
		details = append(details, fmt.Sprintf("%d more were not tried", more))
	}
	switch {
	case answering == 0:
		finding := failed(first)
		finding.Details = details
		return finding
	case silent > 0:
		return Finding{
			Status: Warn, Found: fmt.Sprintf("%d of %s do not answer", silent, count(len(attempts), "address", "addresses")),
			Remedy:  "have the backend answer at all addresses that its name resolves to, or take the others out of DNS: calls that try them first are slow",
			Details: details,
		}
	}
	return Finding{Status: Pass, Found: "connected", Details: details}
}

// attempts tries the addresses side by side.
func (c *check) attempts(ctx context.Context) []attempt {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var once sync.Once
	wire := c.wire()
	return beside(min(len(c.addrs), maxAddresses), func(i int) attempt {
		tried := attempt{address: c.addrs[i]}
		var conn net.Conn
		if conn, tried.err = wire.Connect(ctx, net.JoinHostPort(tried.address.String(), c.port())); tried.err == nil {
			_ = conn.Close() // nothing was sent
			once.Do(func() { time.AfterFunc(straggle, cancel) })
		}
		return tried
	})
}

// noFamily reports whether this machine has no IPv6, which costs calls nothing:
// they go on to the next address at once.
func noFamily(tried attempt) bool {
	return tried.address.Is6() &&
		(errors.Is(tried.err, syscall.ENETUNREACH) || errors.Is(tried.err, syscall.EADDRNOTAVAIL) || errors.Is(tried.err, syscall.EAFNOSUPPORT))
}
