//go:build unix

// Package failure injects faults between Entra and the proxy, the proxy and its
// backend, and the proxy and its vault, and asks each time what Entra sees, what
// the log says, what happened to the backend's state, and whether the next call
// succeeds. It is tests only; docs/reliability.md has its table.
package failure

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/entra-scim-proxy/lab/host"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The rows wait more than they work: as many at a time as the default, the
	// number of processors, would take minutes.
	if err := flag.Set("test.parallel", "12"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// toxiproxy leaves what carries a connection behind if that ends under a toxic:
	// it waits for a peer, or for somebody to read on.
	goleak.VerifyTestMain(tests{m},
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"))
}

// tests end with what they share.
type tests struct{ *testing.M }

// Run returns the exit status of the tests, before goleak looks for leaks.
func (t tests) Run() int {
	code := t.M.Run()
	if err := os.RemoveAll(builtIn); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// world is one proxy, in a process of its own, and all around it. The wires
// begin without a fault.
type world struct {
	*testing.T
	row                *row
	dir                string // of the secrets that are files
	backend            *service
	vault              *vault.Server // nil: the secrets are files
	fromEntra          *wire
	toBackend, toVault *wire
	settings           map[string]string
	log                journal
	proxy              *process   // nil under the host
	host               *host.Host // nil without
	entraToken         string
	secrets            []string
	calls              int // made so far
}

// newWorld sets everything up but the proxy, which up starts.
func newWorld(t *testing.T, r *row) *world {
	t.Helper()
	w := &world{T: t, row: r, dir: t.TempDir(), backend: newService(t, !r.http1), entraToken: stand.NewToken()}
	w.secrets = []string{w.entraToken, w.backend.token}
	w.toBackend = newWire(t, w.backend.address)
	address := freeAddress(t)
	w.settings = map[string]string{
		"PORT": portOf(t, address), "PUBLIC_URL": "https://contoso-scim.example.com", "BACKEND_TIMEOUT": "20s",
		"BACKEND_URL": "https://" + w.toBackend.Listen + basePath, "BACKEND_SERVER_NAME": stand.BackendName,
	}
	w.keepSecrets()
	maps.Copy(w.settings, r.settings)
	if !r.hosted {
		w.fromEntra = newWire(t, address)
	}
	for i := range people(r) {
		if code, answer := w.backend.direct(http.MethodPost, "/Users", person(fmt.Sprintf("p%d", i))); code != http.StatusCreated {
			t.Fatalf("%d %s", code, answer)
		}
	}
	t.Cleanup(func() {
		for _, secret := range w.secrets {
			if strings.Contains(w.log.text(), secret) {
				t.Error("a secret is in the log")
			}
		}
	})
	return w
}

// people is how many there are: so many that a list takes several records of TLS,
// where that counts.
func people(r *row) int {
	if r.long {
		return 150
	}
	return 5
}

// keepSecrets puts the secrets where the proxy reads them.
func (w *world) keepSecrets() {
	w.Helper()
	values := map[string]string{
		stand.EntraTokenName: w.entraToken, stand.BackendTokenName: w.backend.token, stand.BackendCAName: string(w.backend.authority.PEM()),
	}
	if !w.row.vault {
		for name, value := range values {
			w.write(name, value)
		}
		w.refer(stand.References("file:" + w.dir + string(filepath.Separator)))
		return
	}
	v := &vault.Vault{}
	for name, value := range values {
		v.Set(name, vault.Secret{Value: value, Created: time.Now().Add(-time.Hour)})
	}
	var err error
	w.vault, err = vault.Serve(v, stand.VaultName, w.dir)
	if errors.Is(err, vault.ErrSystem) {
		w.Skip(err)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(w.vault.Close)
	w.refer(stand.References("keyvault:"))
	maps.Copy(w.settings, w.vault.Environment())
	// The tunnel stands in for DNS and the way to the vault.
	w.toVault = newWire(w.T, strings.TrimPrefix(w.settings["HTTPS_PROXY"], "http://"))
	w.settings["HTTPS_PROXY"] = "http://" + w.toVault.Listen
}

func (w *world) refer(references []string) {
	for _, reference := range references {
		name, value, _ := strings.Cut(reference, "=")
		w.settings[name] = value
	}
}

// write replaces a secret's file in one step.
func (w *world) write(name, content string) {
	w.Helper()
	draft := w.path(name + ".new")
	if err := errors.Join(os.WriteFile(draft, []byte(content), 0o600), os.Rename(draft, w.path(name))); err != nil {
		w.Error(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// up starts the proxy, by itself or under the Functions host.
func (w *world) up() {
	w.Helper()
	var settings []string
	for _, name := range slices.Sorted(maps.Keys(w.settings)) {
		settings = append(settings, name+"="+w.settings[name])
	}
	if !w.row.hosted {
		w.proxy = startProcess(w.T, settings, &w.log)
		return
	}
	var err error
	if w.host, err = host.Start(w.Context(), host.Options{App: app(w.T), Settings: settings, Stdout: &w.log, Stderr: &w.log}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := w.host.Close(); err != nil {
			w.Error(err)
		}
	})
	w.fromEntra = newWire(w.T, strings.TrimPrefix(w.host.URL(), "http://"))
}

// drive makes calls, which are none of the trial's, until something is so: the
// proxy reads its secrets only while it is used.
func (w *world) drive(what string, ok func(status int) bool) {
	w.Helper()
	until(w.T, what, func() bool {
		time.Sleep(40 * time.Millisecond) // 25 calls a second
		return ok(w.plain().status)
	})
}

// plain is a call without a number, on no wire.
func (w *world) plain() seen {
	w.Helper()
	origin := "http://127.0.0.1:" + w.settings["PORT"]
	if w.host != nil {
		origin = w.host.URL()
	}
	return w.call(origin+stand.SCIMPath+"/Users?count=1", operation{method: http.MethodGet}, "")
}

// logged waits, without calls, for a line.
func (w *world) logged(from int, text string) {
	w.Helper()
	until(w.T, "the log has "+text, func() bool {
		_, ok := w.log.find(from, func(l line) bool { return l.String() == text })
		return ok
	})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Error(err)
	}
}
