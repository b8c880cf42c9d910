package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
)

// lowkey is a running lowkey-vault, a Key Vault and an identity endpoint that
// nobody here wrote. https://github.com/nagyesta/lowkey-vault
type lowkey struct {
	environment map[string]string // leads a handler to it
	client      *http.Client      // leads this process to it
	command     *exec.Cmd
	log         string        // the path of what it writes
	ended       chan struct{} // closed when the process has ended
}

var (
	lowkeyPorts = regexp.MustCompile(`Tomcat started on ports (\d+) \(https\), (\d+) \(http\)`)
	lowkeyReady = []byte("Started LowkeyVaultApp in")
)

// startLowkey runs the jar until the test's end. It ends TLS itself, so that
// between it and the SDK there is nothing of ours but a CONNECT proxy.
func startLowkey(t *testing.T, jar string) *lowkey {
	t.Helper()
	authority, err := pki.New("Public Root")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Issue(pki.Leaf{Names: []string{vaultName}})
	if err != nil {
		t.Fatal(err)
	}
	l := &lowkey{log: filepath.Join(t.TempDir(), "log"), ended: make(chan struct{})}
	l.launch(t, jar, write(t, "leaf.pem", string(certificate)), write(t, "leaf.key", string(key)))
	secrets, identity := l.addresses(t)

	tunnel, err := vault.Tunnel(vaultName, secrets)
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		tunnel.Close()
		if strays := tunnel.Strays(); len(strays) > 0 {
			t.Errorf("the environment's proxy was asked for %q", strays)
		}
	})
	l.environment = tunnel.Environment()
	l.environment["SSL_CERT_FILE"] = write(t, "root.pem", string(authority.PEM()))
	l.environment["IDENTITY_ENDPOINT"] = "http://" + identity + "/metadata/identity/oauth2/token"
	l.environment["IDENTITY_HEADER"] = "any"
	l.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool()},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, secrets)
		},
	}}
	t.Cleanup(l.client.CloseIdleConnections)
	return l
}

func (l *lowkey) launch(t *testing.T, jar, certificate, key string) {
	t.Helper()
	log, err := os.Create(l.log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	l.command = exec.CommandContext(t.Context(), "java", "-XX:+UseSerialGC", "-Xmx192m", "-jar", jar,
		// The port of the identity endpoint listens on all interfaces, and has no
		// option against it. It issues tokens that count here and nowhere else.
		"--server.address=127.0.0.1", "--server.port=0", "--app.token.port=0",
		// A host without a port is one on port 443.
		"--LOWKEY_VAULT_NAMES=contoso", "--LOWKEY_VAULT_ALIASES=contoso.localhost="+vaultName, "--LOWKEY_AUTH_RESOURCE=vault.azure.net",
		"--server.ssl.certificate=file:"+certificate, "--server.ssl.certificate-private-key=file:"+key,
		// Its defaults are for its own key store, and for RSA.
		"--server.ssl.key-store-password=", "--server.ssl.enabled-protocols=TLSv1.2,TLSv1.3",
		"--server.ssl.ciphers=TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
	l.command.Stdout, l.command.Stderr = log, log
	l.command.Cancel = func() error { return l.command.Process.Signal(syscall.SIGTERM) }
	l.command.WaitDelay = 20 * time.Second
	if err := l.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		_ = l.command.Wait() // after SIGTERM the status is 143
		close(l.ended)
	}()
	t.Cleanup(func() { <-l.ended })
}

// addresses waits until both ports are served. Most of that time, on a busy
// machine, is Spring's.
func (l *lowkey) addresses(t *testing.T) (secrets, identity string) {
	t.Helper()
	limit := time.After(120 * time.Second)
	for {
		output, err := os.ReadFile(l.log)
		if err != nil {
			t.Fatal(err)
		}
		if ports := lowkeyPorts.FindSubmatch(output); ports != nil && bytes.Contains(output, lowkeyReady) {
			return "127.0.0.1:" + string(ports[1]), "127.0.0.1:" + string(ports[2])
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-l.ended:
			output, _ = os.ReadFile(l.log) // its last words
			t.Fatalf("lowkey-vault ended:\n%s", output)
		case <-limit:
			t.Fatalf("lowkey-vault does not start:\n%s", output)
		}
	}
}

// stop ends the process, and with it the vault and the identity endpoint.
func (l *lowkey) stop(t *testing.T) {
	t.Helper()
	if err := l.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-l.ended
}

// attributes are those of a version that can be chosen.
type attributes struct {
	Enabled bool  `json:"enabled"`
	Expires int64 `json:"exp,omitempty"` // in seconds since 1970; zero: never
}

// set makes a new version of a secret and returns its URL.
func (l *lowkey) set(t *testing.T, name, value string, expires time.Time) (url string) {
	t.Helper()
	a := attributes{Enabled: true}
	if !expires.IsZero() {
		a.Expires = expires.Unix()
	}
	var version struct{ ID string }
	answer := l.call(t, http.MethodPut, "https://"+vaultName+"/secrets/"+name+"?api-version=7.6", map[string]any{"value": value, "attributes": a})
	if err := json.Unmarshal(answer, &version); err != nil || version.ID == "" {
		t.Fatalf("%v: %s", err, answer)
	}
	return version.ID
}

// disable withdraws a version.
func (l *lowkey) disable(t *testing.T, url string) {
	t.Helper()
	l.call(t, http.MethodPatch, url+"?api-version=7.6", map[string]any{"attributes": attributes{}})
}

// remove deletes a secret, until restore.
func (l *lowkey) remove(t *testing.T, name string) {
	t.Helper()
	l.call(t, http.MethodDelete, "https://"+vaultName+"/secrets/"+name+"?api-version=7.6", nil)
}

func (l *lowkey) restore(t *testing.T, name string) {
	t.Helper()
	l.call(t, http.MethodPost, "https://"+vaultName+"/deletedsecrets/"+name+"/recover?api-version=7.6", nil)
}

// age moves all that the vault holds into the past. Its clock stays.
func (l *lowkey) age(t *testing.T, by time.Duration) {
	t.Helper()
	l.call(t, http.MethodPut, fmt.Sprintf("https://%s/management/vault/time/all?seconds=%.0f", vaultName, by.Seconds()), nil)
}

// call makes a call that must succeed. lowkey-vault takes any token.
func (l *lowkey) call(t *testing.T, method, url string, body any) []byte {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer any")
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d, %v\n%s", method, url, response.StatusCode, err, answer)
	}
	return answer
}
