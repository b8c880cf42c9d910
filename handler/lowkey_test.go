package main

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noLowkey says how to run TestLowkeyVault.
const noLowkey = "LOWKEY_VAULT_JAR is not set: the absolute path of the jar of lowkey-vault, an emulator of Key Vault, which needs Java 17 or newer. " +
	"To get it: mvn dependency:copy -Dartifact=com.github.nagyesta.lowkey-vault:lowkey-vault-app:3.4.33 -DoutputDirectory=build/lowkey"

// rotatingWorld is a handler between a backend that takes one token and a vault
// that nobody here wrote.
type rotatingWorld struct {
	*testing.T
	vault    *lowkey
	handler  *process
	inbound  map[string]string // what Entra has ever presented, by name
	outbound []string          // what the backend has ever taken
	taken    atomic.Value      // what it takes: the last of them
}

// statuses are the wanted answers, by the name of the inbound token.
type statuses map[string]int

// TestLowkeyVault is the life of two tokens in an emulator of Key Vault: they
// are replaced, withdrawn, expire, and get out of reach.
func TestLowkeyVault(t *testing.T) {
	jar := os.Getenv("LOWKEY_VAULT_JAR")
	if jar == "" {
		t.Skip(noLowkey)
	}
	w := newRotatingWorld(t, jar)
	w.await("before", statuses{"first": 200})

	w.rotate("second", time.Time{})
	w.await("after a rotation", statuses{"second": 200})
	w.expect("the version before counts", statuses{"first": 200})

	version := w.rotate("third", time.Time{})
	w.await("after another rotation", statuses{"third": 200})
	w.expect("an older version does not count", statuses{"second": 200, "first": 401})

	w.vault.disable(t, version)
	w.await("after a withdrawal", statuses{"third": 401})
	w.expect("what is left is the version before", statuses{"second": 200, "first": 401})

	w.rotate("fourth", time.Now().Add(time.Hour))
	w.await("after a rotation that follows a withdrawal", statuses{"fourth": 200})
	w.expect("nothing takes the place of the version before", statuses{"third": 401, "second": 401, "first": 401})
	w.awaitLine("fourth", 0, `"level":"warn"`, `"msg":"expires soon"`, `"what":"ENTRA_TOKEN"`)

	// All versions of the outbound token end, too, and it is presented still.
	w.vault.age(t, 61*time.Minute)
	w.await("after an end", statuses{"fourth": 401, "second": 200})
	w.expect("what is left is the version before", statuses{"third": 401, "first": 401})
	w.awaitLine("second", 0, `"level":"error"`, `"msg":"expired"`, `"what":"BACKEND_TOKEN"`)
	w.expect("an outbound token that has expired", statuses{"second": 200})

	w.vault.remove(t, "entra-token")
	w.await("after the deletion of the inbound token", statuses{"second": 503})
	w.vault.restore(t, "entra-token")
	w.await("after its recovery", statuses{"second": 200})

	w.loseVault("second")
	w.expect("without the vault", statuses{"fourth": 401, "third": 401, "second": 200, "first": 401})
	w.end()
}

func newRotatingWorld(t *testing.T, jar string) *rotatingWorld {
	t.Helper()
	w := &rotatingWorld{T: t, vault: startLowkey(t, jar)}
	b := newBackend(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+w.taken.Load().(string) {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	w.inbound, w.outbound = map[string]string{"first": b.entra}, []string{b.token}
	w.taken.Store(b.token)
	w.vault.set(t, "entra-token", b.entra, time.Time{})
	w.vault.set(t, "backend-token", b.token, time.Now().Add(time.Hour))
	w.vault.set(t, "backend-ca", b.ca, time.Time{})
	environment := b.environment(t)
	maps.Copy(environment, w.vault.environment)
	maps.Copy(environment, map[string]string{
		"WEBSITE_SITE_NAME": "contoso", "AZURE_CLIENT_ID": "9edf3db5-1708-45b7-acbe-a7b4c8fb102a", "SECRET_REFRESH": "1s",
		"ENTRA_TOKEN": "keyvault:entra-token", "BACKEND_TOKEN": "keyvault:backend-token", "BACKEND_CA": "keyvault:backend-ca",
	})
	w.handler = start(t, environment)
	return w
}

// rotate makes a new version of both tokens and returns the inbound one's URL.
// That one is valid until end, zero for ever, and the outbound one for an hour.
// The backend takes the new one alone.
func (w *rotatingWorld) rotate(name string, end time.Time) (version string) {
	w.Helper()
	// Key Vault tells whole seconds, and which of two versions of one second came
	// before the other, nobody knows.
	w.vault.age(w.T, 10*time.Second)
	outbound := "backend-" + rand.Text()
	w.inbound[name] = "entra-" + rand.Text()
	w.outbound = append(w.outbound, outbound)
	w.vault.set(w.T, "backend-token", outbound, time.Now().Add(time.Hour))
	version = w.vault.set(w.T, "entra-token", w.inbound[name], end)
	w.taken.Store(outbound)
	return version
}

// differing makes a call with each token and describes the answers that are not
// as wanted.
func (w *rotatingWorld) differing(want statuses) string {
	w.Helper()
	got := statuses{}
	for name := range want {
		got[name], _ = w.handler.get(w.T, w.inbound[name])
	}
	return cmp.Diff(want, got)
}

func (w *rotatingWorld) expect(what string, want statuses) {
	w.Helper()
	if diff := w.differing(want); diff != "" {
		w.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// await makes calls until the answers are as wanted. The calls make the handler
// read its secrets anew.
func (w *rotatingWorld) await(what string, want statuses) {
	w.Helper()
	w.until(func() string {
		if diff := w.differing(want); diff != "" {
			return what + " (-want +got):\n" + diff
		}
		return ""
	})
}

// awaitLine makes calls, which must pass, until a line holds the texts. The
// first lines, as many as given, do not count.
func (w *rotatingWorld) awaitLine(name string, before int, texts ...string) {
	w.Helper()
	w.until(func() string {
		w.expect("a call until a line comes", statuses{name: 200})
		for _, line := range w.handler.output()[before:] {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				return ""
			}
		}
		return fmt.Sprintf("no line holds %s", texts)
	})
}

// until waits until nothing is missing.
func (w *rotatingWorld) until(missing func() string) {
	w.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) { // real time: other processes'
		still := missing()
		if still == "" {
			return
		}
		if time.Now().After(limit) {
			w.Fatalf("not within a minute: %s\n%s", still, strings.Join(w.handler.output(), "\n"))
		}
	}
}

// loseVault stops the vault, and makes calls until it has been missed.
func (w *rotatingWorld) loseVault(name string) {
	w.Helper()
	before := len(w.handler.output())
	w.vault.stop(w.T)
	for _, setting := range []string{"ENTRA_TOKEN", "BACKEND_TOKEN"} {
		w.awaitLine(name, before, `"msg":"secret could not be read"`, `"setting":"`+setting+`"`, `"last_good_value_in_use":true`)
	}
}

// end ends the handler and looks for secrets in what it wrote.
func (w *rotatingWorld) end() {
	w.Helper()
	w.handler.terminate(w.T)
	if status := w.handler.exit(w.T); status != 0 || w.handler.errors() != "" {
		w.Errorf("exit status %d, stderr %q", status, w.handler.errors())
	}
	log := strings.Join(w.handler.output(), "\n")
	secrets := slices.Concat(w.outbound, slices.Collect(maps.Values(w.inbound)))
	absent(w.T, "log", log, append(secrets, "canary", "entra-token", "backend-token", "BEGIN CERT"))
}
