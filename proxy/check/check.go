// Package check finds out why Entra's Test Connection fails: it goes the way of
// a call, from the settings to the backend's answer and through the proxy, one
// step after the other, and says of each what is wrong and what to do.
package check

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// Options describe what is checked. All are required but those that say
// otherwise; none but Settings if that has failed.
type Options struct {
	// Settings is what is known of the settings. If it has failed, nothing else
	// is looked at.
	Settings Finding
	// Vault keeps secrets; nil if none of the settings refers to one.
	Vault *Vault
	// Secrets are the settings that refer to one, in the order in which to show
	// them. ENTRA_TOKEN must be among them.
	Secrets []Secret
	// Backend is the base URL of the backend's SCIM service.
	Backend *url.URL
	// Host is the Host header sent to the backend; "" means Backend's host.
	Host string
	// ServerName is the name that the backend's certificate must carry.
	ServerName string
	// Present shows the backend the secret; nil if a client certificate alone
	// tells it who calls.
	Present func(http.Header, token.Secret)
	// UserAgent is sent to the backend.
	UserAgent string
	// Timeout is what the proxy gives a call (BACKEND_TIMEOUT).
	Timeout time.Duration
	// Path is the public path that Backend's replaces; "" is the root.
	Path string
	// Rules are those that are on.
	Rules scim.Set
	// StubGroups tells that the proxy answers for groups.
	StubGroups bool
	// HasPublicURL tells whether the rule [scim.Location] can be turned on.
	HasPublicURL bool
	// Proxy makes the proxy that is to be tried, with the rules given instead of
	// Rules, and otherwise as it serves; with plain, without GROUPS=stub and
	// DROP_ATTRIBUTES.
	Proxy func(rules scim.Set, plain bool, log *zap.Logger) (http.Handler, error)
	// Write creates, changes and deletes a user and a group at the backend.
	Write bool
	// Lookup and Dial are those of [upstream.Options]; nil means the system's.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	// Log gets what is no finding: a step that panicked.
	Log *zap.Logger
}

// Vault is where secrets are kept.
type Vault struct {
	// Who names the identity that is asked for, for details.
	Who string
	// Identity gets a token for the vault, and says, for details, whom it names;
	// "" if nothing is known. Its error says what to do.
	Identity func(context.Context) (string, error)
	// Reach asks the vault for its greeting, which takes no token. Its error says
	// what to do.
	Reach func(context.Context) error
}

// The settings that refer to secrets.
const (
	Inbound     = "ENTRA_TOKEN"
	Outbound    = "BACKEND_TOKEN"
	BackendCert = "BACKEND_CLIENT_CERT"
	BackendCA   = "BACKEND_CA"
)

// Secret is a setting that refers to a secret.
type Secret struct {
	// Setting is one of the names above.
	Setting string
	// Source is where it is kept, for details, such as "keyvault:entra-token".
	Source string
	// InVault tells that [Options].Vault keeps it.
	InVault bool
	// Read reads the values that count. Its error says what to do.
	Read func(context.Context) (token.Credentials, error)
}

// check is one run.
type check struct {
	Options
	// What the steps found for those that need it; see [step].
	mu       sync.Mutex
	values   map[string]token.Credentials // by setting
	roots    *upstream.Roots
	identity *upstream.Identity
	addrs    []netip.Addr
	sample   sample
	written  written
	noGroups atomic.Bool // left by groups: the backend has none
	// left by users and groups: the backend itself does not answer as Entra expects
	usersFailed, groupsFailed atomic.Bool

	edge   func() *upstream.Transport
	opened atomic.Pointer[upstream.Transport] // by edge
	fronts fronts
	advice advice
}

// Limit is how long a run takes at most.
const Limit = 15 * time.Second

// limit is what its steps have together, and grace how much of that is kept for
// what has to be cleaned up.
const (
	limit = Limit - time.Second
	grace = 3 * time.Second
)

// Run runs all steps, and shows each result to see, in the order of the report,
// as soon as it is known; see may be nil. It takes less than [Limit], and ends
// early with ctx, which is no pass; steps that did not have their turn by then are
// skipped.
func Run(ctx context.Context, options Options, see func(Result)) Report {
	started := time.Now()
	c := &check{Options: options, values: map[string]token.Credentials{}}
	c.edge = sync.OnceValue(c.newEdge)
	c.fronts.open = c.newFront
	defer c.close()
	bounded, cancel := context.WithTimeout(ctx, limit-grace)
	defer cancel()
	report := Report{Started: started, Result: Pass}
	for result := range c.walk(bounded, c.steps()) {
		report.add(result)
		if see != nil {
			see(result)
		}
	}
	if ctx.Err() != nil {
		report.Result = Fail // of what was asked for, something was left out
	}
	report.Took = time.Since(started)
	report.Recommended = c.advice.settings()
	return report
}

// steps lists the steps in the order of the report.
func (c *check) steps() []step {
	all := []step{{name: "settings", run: func(context.Context) Finding { return c.Settings }}}
	all = append(all, c.secretSteps()...)
	all = append(all, c.networkSteps()...)
	all = append(all, c.probeSteps()...)
	all = append(all, c.discoverySteps()...)
	if c.Write {
		all = append(all, c.writeSteps()...)
	}
	all = append(all, c.qualitySteps()...)
	if c.Write {
		all = append(all, c.shapeSteps()...)
	}
	all = append(all, c.frontSteps()...)
	return append(all, c.adviceStep(all))
}
