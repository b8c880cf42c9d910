package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
)

// TestRotation replaces the tokens and the CA, and takes the vault away, while
// Entra calls: no call may fail. With ROTATION_FULL=1 it takes four minutes
// instead of 40 s.
func TestRotation(t *testing.T) {
	full := os.Getenv("ROTATION_FULL") == "1"
	// The proxy reads its secrets so often that it notices a new version within
	// seconds by itself.
	t.Run("short SECRET_REFRESH", func(t *testing.T) {
		s := scale{rate: 50, refresh: time.Second, present: 1500 * time.Millisecond, apart: 3 * time.Second, rest: time.Second, away: 6 * time.Second}
		if full {
			s = scale{rate: 200, refresh: 2 * time.Second, present: 3 * time.Second, apart: 5 * time.Second, rest: 4 * time.Second, silent: 20 * time.Second, away: 40 * time.Second}
		}
		r := newRotation(t, s)
		for _, o := range []order{atOnce, vaultFirst, backendFirst} {
			r.rotate(o)
			r.pass(s.rest)
		}
		r.takeVaultAway()
		r.rotateCA()
		r.awaitVault()
		r.judge()
	})
	// The proxy reads them again only because something is refused. It does so
	// once in 30 s, and people do not replace one token more often than that.
	t.Run("default SECRET_REFRESH", func(t *testing.T) {
		s := scale{rate: 50, present: time.Second, apart: 5 * time.Second, rest: 31 * time.Second}
		orders := []order{atOnce}
		if full {
			s.rate = 200
			orders = []order{atOnce, vaultFirst, backendFirst}
		}
		r := newRotation(t, s)
		for i, o := range orders {
			if i > 0 {
				r.pass(s.rest)
			}
			r.rotate(o)
		}
		r.rotateCA()
		r.judge()
	})
}

// scale is how fast and how long.
type scale struct {
	rate int // calls per second
	// refresh is SECRET_REFRESH; zero means the proxy's default.
	refresh time.Duration
	// present is after what time Entra presents a token that the vault has got:
	// with the default SECRET_REFRESH a second, else as long as the vault is
	// sure to have been read meanwhile, because the rotations come too fast for
	// a read of their own.
	present time.Duration
	// apart is the time between the vault's new token and the backend's, if they
	// do not get it at once.
	apart time.Duration
	rest  time.Duration // after a rotation, or before
	// silent is how long the vault does not answer, and away how long it breaks
	// every call off after that.
	silent, away time.Duration
}

// latency is that of a slow vault.
const latency = 500 * time.Millisecond

// order is who gets the backend's new token first.
type order string

const (
	atOnce       order = "vault and backend at once"
	vaultFirst   order = "vault first"
	backendFirst order = "backend first"
)

// rotation is a proxy with all around it.
type rotation struct {
	*testing.T
	scale
	vault       *vault.Server
	backend     *strictBackend
	entra       *traffic
	proxy       *child
	log, stderr string
	secrets     []string // all that there ever were
	began       time.Time
	outage      [2]time.Time // from when till when the vault could not be read
}

// newRotation starts everything, and the calls.
func newRotation(t *testing.T, s scale) *rotation {
	t.Helper()
	binary := handler(t)
	r := &rotation{T: t, scale: s, secrets: []string{stand.NewToken(), stand.NewToken()}, began: time.Now()}
	authority, err := pki.New("Private Canary CA 1")
	if err != nil {
		t.Fatal(err)
	}
	v := &vault.Vault{}
	for name, value := range map[string]string{
		stand.EntraTokenName: r.secrets[0], stand.BackendTokenName: r.secrets[1], stand.BackendCAName: string(authority.PEM()),
	} {
		v.Set(name, vault.Secret{Value: value, Created: time.Now().Add(-time.Hour)})
	}
	r.vault, err = vault.Serve(v, stand.VaultName, t.TempDir())
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.vault.Close)
	r.backend = newStrictBackend(t, r.secrets[1], authority)
	origin := r.startProxy(binary)
	// The full run keeps up to 30 s of calls waiting, with two connections each
	// in either process when they are let go.
	if most := openFiles(t) / (2 * 35); most < r.rate {
		t.Logf("%d calls/s instead of %d: the limit of open files allows no more", most, r.rate)
		r.rate = most
	}
	r.entra = startTraffic(t, origin+stand.SCIMPath+"/Users", r.secrets[0], r.rate)
	r.rate = r.entra.rate
	r.pass(time.Second)
	return r
}

// openFiles is the limit of file descriptors of this process and its children,
// to which Go raises the one in force.
func openFiles(t *testing.T) int {
	t.Helper()
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Log(err)
		return 1 << 16
	}
	hard := regexp.MustCompile(`(?m)^Max open files +\S+ +(\d+) `).FindSubmatch(limits)
	if hard == nil {
		return 1 << 16 // unlimited
	}
	n, err := strconv.Atoi(string(hard[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// startProxy starts the real proxy with the real SDK and returns its origin.
func (r *rotation) startProxy(binary string) (origin string) {
	r.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	origin = "http://127.0.0.1:" + strconv.Itoa(port)
	// All calls come to one instance here, and those that wait for a credential
	// are many.
	settings := append(stand.References("keyvault:"), "MAX_CONCURRENT=20000",
		"PORT="+strconv.Itoa(port), "PUBLIC_URL="+origin, "BACKEND_URL="+r.backend.server.URL+backendPath, "BACKEND_SERVER_NAME="+stand.BackendName)
	if r.refresh > 0 {
		settings = append(settings, "SECRET_REFRESH="+r.refresh.String())
	}
	for name, value := range r.vault.Environment() {
		settings = append(settings, name+"="+value)
	}
	dir := r.TempDir()
	r.log, r.stderr = filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")
	stdout, err := os.Create(r.log)
	if err != nil {
		r.Fatal(err)
	}
	stderr, err := os.Create(r.stderr)
	if err != nil {
		r.Fatal(err)
	}
	r.proxy, err = startChild(r.Context(), childSpec{
		name: "proxy", path: binary, env: childEnvironment(os.Environ(), settings...), stdout: stdout, stderr: stderr,
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(r.proxy.stop)
	if err := awaitAnswer(r.Context(), r.proxy, origin+"/"); err != nil {
		r.Fatal(err)
	}
	return origin
}

// pass lets time pass.
func (r *rotation) pass(d time.Duration) {
	r.Helper()
	select {
	case <-time.After(d):
	case <-r.proxy.ended:
		r.Fatal(r.proxy.death())
	}
}

// await lets time pass until something is done, but not for ever.
func (r *rotation) await(what string, limit time.Duration, done func() bool) {
	r.Helper()
	for deadline := time.Now().Add(limit); !done(); r.pass(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Errorf("%s did not come to pass within %v", what, limit)
			return
		}
	}
}

// awaitRead waits until a secret has been read anew.
func (r *rotation) awaitRead(name string) {
	r.Helper()
	before := r.vault.Counts().Reads[name]
	r.await("another read of "+name, 20*time.Second, func() bool { return r.vault.Counts().Reads[name] > before })
}

// rotate replaces both tokens.
func (r *rotation) rotate(o order) {
	r.Helper()
	r.entra.enter("tokens, " + string(o))
	before, readsBefore := r.backend.counts(), r.vault.Counts().Reads
	callsBefore, _ := r.entra.total()
	inbound, outbound := stand.NewToken(), stand.NewToken()
	r.secrets = append(r.secrets, inbound, outbound)
	r.vault.Set(stand.EntraTokenName, vault.Secret{Value: inbound})

	first := func() { r.vault.Set(stand.BackendTokenName, vault.Secret{Value: outbound}) }
	second := func() { r.backend.accept(outbound) }
	if o == backendFirst {
		first, second = second, first
	}
	if o == atOnce {
		// So that no read brings the new token before a call was refused.
		r.vault.SetDelay(latency)
		first()
		second()
		r.pass(latency)
		r.vault.SetDelay(0)
		r.pass(r.present - latency)
		r.entra.present(inbound)
	} else {
		first()
		r.pass(r.present)
		r.entra.present(inbound)
		r.pass(r.apart - r.present)
		second()
	}
	// A proxy that was refused in vain reads the vault again after 30 s.
	r.await("a call with the new token", 40*time.Second, func() bool { return r.backend.counts().taken > 0 })
	r.pass(r.present)

	after, reads := r.backend.counts(), r.vault.Counts().Reads
	r.Logf("%s: %d answers of 401 by the backend, %d and %d reads of the tokens", o, after.refused-before.refused,
		reads[stand.EntraTokenName]-readsBefore[stand.EntraTokenName], reads[stand.BackendTokenName]-readsBefore[stand.BackendTokenName])
	if after.refused == before.refused {
		r.Errorf("%s: the backend refused no call, so that the rotation was none", o)
	}
	// Each call would be refused, and then wait or take a second try, if the proxy
	// did not keep to the old token for as long as the backend does. Those are that
	// come between a read and the first answer after it.
	calls, _ := r.entra.total()
	between := int(float64(r.rate)*r.entra.slowestNow().Seconds()) + 2
	most := between * (reads[stand.BackendTokenName] - readsBefore[stand.BackendTokenName])
	if o == vaultFirst && after.refused-before.refused > most {
		r.Errorf("%s: the backend refused %d of %d calls, want %d at most", o, after.refused-before.refused, calls-callsBefore, most)
	}
	for _, name := range []string{stand.EntraTokenName, stand.BackendTokenName} {
		if reads[name] == readsBefore[name] {
			r.Errorf("%s: %s was not read from the vault", o, name)
		}
	}
}

// takeVaultAway takes it away, and brings it back.
func (r *rotation) takeVaultAway() {
	r.Helper()
	r.entra.enter("vault away")
	r.outage[0] = time.Now()
	if r.silent > 0 {
		r.vault.SetDelay(time.Hour)
		r.pass(r.silent)
	}
	r.vault.SetDown(true)
	r.vault.SetDelay(0)
	r.pass(r.away)
	// On a machine that lags no read may have come in that time.
	r.await("a read of a secret that fails", 20*time.Second, func() bool {
		log, err := os.ReadFile(r.log)
		return err == nil && bytes.Contains(log, []byte(`"msg":"secret could not be read"`))
	})
	r.vault.SetDown(false)
}

// awaitVault waits until every secret is read as before the outage.
func (r *rotation) awaitVault() {
	r.Helper()
	r.entra.enter("vault back")
	for _, name := range []string{stand.EntraTokenName, stand.BackendTokenName, stand.BackendCAName} {
		r.awaitRead(name)
	}
	// That the last of those reads failed may have yet to be logged.
	r.outage[1] = time.Now()
	r.pass(r.rest)
}

// rotateCA replaces the CA, and the backend's certificate right after.
func (r *rotation) rotateCA() {
	r.Helper()
	r.entra.enter("new CA")
	authority, err := pki.New("Private Canary CA 2")
	if err != nil {
		r.Fatal(err)
	}
	certificate := backendCertificate(r.T, authority)
	reads, untrusting := r.vault.Counts().Reads[stand.BackendCAName], r.backend.untrusting.Load()
	r.vault.Set(stand.BackendCAName, vault.Secret{Value: string(authority.PEM())})
	r.backend.present(certificate)
	enough := min(20, max(5, r.rate/5))
	r.await("enough connections under the new CA", 30*time.Second, func() bool { return r.backend.counts().underNewest >= enough })
	r.pass(2 * time.Second)
	r.Logf("new CA: %d connections under it, %d handshakes that the proxy broke off before", r.backend.counts().underNewest, r.backend.untrusting.Load()-untrusting)
	// With a short SECRET_REFRESH a read may come in between.
	if r.refresh == 0 && r.backend.untrusting.Load() == untrusting {
		r.Error("the proxy broke no handshake off, so that the new CA was known before it mattered")
	}
	if r.vault.Counts().Reads[stand.BackendCAName] == reads {
		r.Error("the CA was not read from the vault")
	}
}

// awaitAnswer polls until the child answers 200, as the Functions host does.
func awaitAnswer(ctx context.Context, c *child, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answersOK(ctx, client, url) {
			return nil
		}
		select {
		case <-c.ended:
			return c.death()
		case <-ctx.Done():
			return fmt.Errorf("wait for the %s to answer %s: %w", c.name, url, ctx.Err())
		case <-tick.C:
		}
	}
}

func answersOK(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}
