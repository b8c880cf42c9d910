package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// The steps of the key vault.
const (
	identityStep = "identity"
	vaultStep    = "vault"
)

// secretLimit is how long one secret may take, and vaultLimit each step of the
// key vault before it.
const (
	secretLimit = 5 * time.Second
	vaultLimit  = 4 * time.Second
)

// secretSteps read each secret, and look at the key vault first if one is kept
// there.
func (c *check) secretSteps() (steps []step) {
	if c.Vault != nil {
		steps = append(steps,
			step{name: identityStep, needs: []string{"settings"}, limit: vaultLimit, run: c.getIdentity},
			step{name: vaultStep, needs: []string{"settings"}, limit: vaultLimit, run: c.reachVault},
		)
	}
	pair := newPair(c.Secrets)
	for _, secret := range c.Secrets {
		needs := []string{"settings"}
		if secret.InVault {
			needs = append(needs, identityStep, vaultStep)
		}
		steps = append(steps, step{
			name: secretStep(secret.Setting), needs: needs, limit: secretLimit,
			run: func(ctx context.Context) Finding { return c.readSecret(ctx, secret, pair) },
		})
	}
	return steps
}

// secretStep is the name of the step that reads a setting's secret.
func secretStep(setting string) string { return "secret " + setting }

// getIdentity gets a token for the key vault.
func (c *check) getIdentity(ctx context.Context) Finding {
	details := []string{"asked for: " + c.Vault.Who}
	whom, err := c.Vault.Identity(ctx)
	if err != nil {
		finding := unavailable(err, "no token for the key vault", "assign a managed identity to the app, and have AZURE_CLIENT_ID name it if it is a user-assigned one; on a machine of your own, log in with az login")
		if ctx.Err() != nil || errors.Is(err, token.ErrAway) {
			finding.Found = "the identity endpoint did not answer in time"
		}
		finding.Details = details
		return finding
	}
	if whom != "" {
		details = append(details, "the token names: "+whom)
	}
	return Finding{Status: Pass, Found: "a token for the key vault", Details: details}
}

// reachVault asks the key vault without a token.
func (c *check) reachVault(ctx context.Context) Finding {
	err := c.Vault.Reach(ctx)
	switch {
	case err == nil:
		return Finding{Status: Pass, Found: "it answers, and asks for a token"}
	case ctx.Err() != nil:
		return unavailable(err, "the key vault did not answer in time", "see what drops packets on the way from the app's network to the key vault, such as a firewall or a route")
	case errors.Is(err, token.ErrAway):
		return unavailable(err, "the key vault cannot be reached, or fails", "check KEY_VAULT_URL, and the way from the app's network to the key vault: DNS, private endpoint, firewall")
	}
	return unavailable(err, "the key vault refuses calls from here, or is none", "check KEY_VAULT_URL, and the key vault's firewall")
}

// unavailable is the finding for what has to be there before a secret can be
// used, the secret included.
func unavailable(err error, found, remedy string) Finding {
	return Finding{Status: Fail, Class: "secret_unavailable", Found: found, Cause: err.Error(), Remedy: remedy}
}

// readSecret reads a secret, keeps its values, and judges them.
func (c *check) readSecret(ctx context.Context, secret Secret, pair pair) Finding {
	if secret.Setting == pair.other {
		defer close(pair.ended)
	}
	values, err := secret.Read(ctx)
	if err == nil {
		err = ctx.Err() // who comes late must leave nothing: others may be at work with what there is
	}
	if err == nil {
		err = c.use(secret.Setting, []byte(values.Current().Reveal()))
	}
	if err != nil {
		finding := secret.unread(ctx, err)
		finding.Details = []string{secret.line()}
		return finding
	}
	c.keep(secret.Setting, values)
	now := time.Now()
	finding := Finding{Status: Pass, Found: secret.from(values.Current(), now), Details: secret.lines(values, now)}
	found := &remarks{finding: &finding}
	switch secret.Setting {
	case BackendCA:
		found.roots(c.roots, now)
	case BackendCert:
		found.identity(c.identity, now)
	default:
		found.token(secret.Setting, values.Current(), now)
		if secret.Setting == Inbound || c.Present != nil && c.way() == bearer {
			found.scheme(values.Current())
		}
	}
	if secret.Setting == pair.judge && c.areSame(ctx, pair) {
		found.same()
	}
	return finding
}

// use takes a value for what it is.
func (c *check) use(setting string, value []byte) (err error) {
	switch setting {
	case BackendCA:
		c.roots, err = upstream.ParseBundle(value)
	case BackendCert:
		c.identity, err = upstream.ParseIdentity(value)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", token.ErrUnusable, err)
	}
	return nil
}

// place says where a secret is kept, in words for everybody.
func (s Secret) place() string {
	kind, _, _ := strings.Cut(s.Source, ":")
	switch token.Kind(kind) {
	case token.KeyVault:
		return "the key vault"
	case token.Path:
		return "a file"
	case token.Env:
		return "the environment"
	}
	return "the settings"
}

// expected says what belongs where a secret is kept, by setting.
var expected = map[string]string{
	Inbound:     "put the bare token there: printable ASCII characters, without blanks or line ends around it",
	Outbound:    "put the bare token or password there, without line ends",
	BackendCert: "put the client certificate and its private key there, both in PEM",
	BackendCA:   "put the certificate of the authority that signs the backend's there, in PEM",
}

// unread is the finding for a secret without a value that can be used.
func (s Secret) unread(ctx context.Context, err error) Finding {
	switch {
	case errors.Is(err, token.ErrUnusable):
		return unavailable(err, "what is kept in "+s.place()+" is not what it should be", expected[s.Setting])
	case errors.Is(err, token.ErrWithdrawn):
		return unavailable(err, "no version of it in "+s.place()+" counts", "set a new version, or enable one that is within its dates")
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded): // of a pipe, which may be first to notice
		return unavailable(err, s.place()+" did not answer in time", "find out why what keeps the secret is slow or silent")
	case errors.Is(err, token.ErrAway):
		return unavailable(err, s.place()+" does not answer", "try again in a minute; if it stays so, see the health of what keeps the secret")
	case s.InVault:
		return unavailable(err, "it cannot be read from "+s.place(), "check that the app's identity has the role Key Vault Secrets User, that the key vault's firewall lets the app in, and that the setting names a secret that is there")
	}
	return unavailable(err, "it cannot be read from "+s.place(), "check that it is there, and that the app may read it")
}

// pair are the two tokens, which must not be one. The step of one compares them,
// when that of the other has ended: it is the one that needs at least as much, so
// that it never waits for a step that has yet to come.
type pair struct {
	judge, other string        // settings
	ended        chan struct{} // closed when the other's step has
}

// newPair returns the pair in the secrets; the zero pair if one is not there.
func newPair(secrets []Secret) pair {
	find := func(setting string) int {
		return slices.IndexFunc(secrets, func(s Secret) bool { return s.Setting == setting })
	}
	entra, backend := find(Inbound), find(Outbound)
	if entra < 0 || backend < 0 {
		return pair{}
	}
	found := pair{judge: Outbound, other: Inbound, ended: make(chan struct{})}
	if secrets[entra].InVault && !secrets[backend].InVault {
		found.judge, found.other = Inbound, Outbound
	}
	return found
}

// areSame reports whether a value is both tokens. Nobody knows if the other was
// not read in time.
func (c *check) areSame(ctx context.Context, pair pair) bool {
	select {
	case <-pair.ended:
	case <-ctx.Done():
		return false
	}
	own := c.value(pair.judge)
	return slices.ContainsFunc(c.value(pair.other), func(other token.Secret) bool {
		return slices.ContainsFunc(own, other.Equal)
	})
}
