package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// exchange sends bytes as they are and reads one response.
func (p *process) exchange(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	conn := p.dial(t)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return receive(t, conn)
}

func receive(t *testing.T, conn net.Conn) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

const ping = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

// local is an environment whose port is free and whose backend does not matter.
func local(more ...string) map[string]string {
	return valid(append([]string{"PORT", "0", "BACKEND_URL", "https://127.0.0.1:9/"}, more...)...)
}

func TestBadSettingsOutsideAzureExit78(t *testing.T) {
	p := launch(t, map[string]string{"BACKEND_TOKEN": canary})
	if status := p.exit(t); status != 78 {
		t.Errorf("exit status %d, want 78", status)
	}
	lines := strings.Split(strings.TrimSpace(p.errors()), "\n")
	if last := lines[len(lines)-1]; last != "handler: bad settings: BACKEND_URL, ENTRA_TOKEN, BACKEND_TOKEN" && last != "handler: bad settings: BACKEND_URL, BACKEND_TOKEN, ENTRA_TOKEN" {
		t.Errorf("last line %q", last)
	}
	if len(p.output()) != 0 || strings.Contains(p.errors(), canary) {
		t.Errorf("stdout %q, stderr %q", p.output(), p.errors())
	}
}

// Three exits stop a Functions app for good.
func TestBadSettingsInAzureStayUp(t *testing.T) {
	p := start(t, map[string]string{"WEBSITE_SITE_NAME": "contoso", "FUNCTIONS_CUSTOMHANDLER_PORT": "0", "BACKEND_TOKEN": canary})
	if response, _ := p.exchange(t, ping); response.StatusCode != 200 {
		t.Errorf("ping: %d", response.StatusCode)
	}
	response, body := p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\n\r\n")
	var message struct {
		Schemas []string
		Status  string
	}
	if err := json.Unmarshal([]byte(body), &message); err != nil || response.StatusCode != 503 || message.Status != "503" ||
		message.Schemas[0] != "urn:ietf:params:scim:api:messages:2.0:Error" || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s, %v", response.StatusCode, body, err)
	}
	for _, setting := range []string{"BACKEND_URL", "BACKEND_TOKEN", "ENTRA_TOKEN"} {
		if line := p.await(t, `"setting":"`+setting+`"`); !strings.Contains(line, `"level":"error"`) || strings.Contains(line, canary) {
			t.Errorf("line %s", line)
		}
	}
	p.terminate(t)
	if status := p.exit(t); status != 0 || p.errors() != "" {
		t.Errorf("exit status %d, stderr %q", status, p.errors())
	}
}

// A secret that needs I/O is no reason not to listen, nor to exit.
func TestUnreadableSecretIs503AndComesBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "internal-name")
	p := start(t, local("ENTRA_TOKEN", "file:"+path))
	if line := p.await(t, "secret could not be read"); !strings.Contains(line, `"setting":"ENTRA_TOKEN"`) || strings.Contains(line, "internal-name") || !strings.Contains(line, `"level":"error"`) {
		t.Errorf("line %s", line)
	}
	call := "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n"
	if response, body := p.exchange(t, call); response.StatusCode != 503 || strings.Contains(body, "internal-name") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if err := os.WriteFile(path, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(30 * time.Second); ; {
		response, _ := p.exchange(t, call)
		if response.StatusCode == 401 {
			break
		}
		if response.StatusCode != 503 || time.Now().After(limit) {
			t.Fatalf("%d", response.StatusCode)
		}
		time.Sleep(200 * time.Millisecond) // real time: it is another process's back-off
	}
}

// A vault that never answers must not keep the port closed.
func TestListensBeforeAnySecretIsRead(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	p := start(t, local(
		"ENTRA_TOKEN", "keyvault:entra", "KEY_VAULT_URL", "https://contoso-scim.vault.azure.net", "BACKEND_TOKEN", "keyvault:backend",
		"IDENTITY_ENDPOINT", "http://"+silent.Addr().String()+"/msi/token", "IDENTITY_HEADER", "x", "HTTPS_PROXY", "http://"+silent.Addr().String(),
	))
	if response, _ := p.exchange(t, ping); response.StatusCode != 200 {
		t.Errorf("ping: %d", response.StatusCode)
	}
	begin := time.Now()
	response, _ := p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n")
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || time.Since(begin) > 15*time.Second {
		t.Errorf("%d after %v, want 503 within 10 s", response.StatusCode, time.Since(begin))
	}
	p.terminate(t)
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	p := start(t, local())
	if host, _, err := net.SplitHostPort(p.address); err != nil || host != "127.0.0.1" {
		t.Errorf("listens on %s", p.address)
	}
}

func TestBusyPortExitsNonZero(t *testing.T) {
	first := start(t, local())
	_, port, err := net.SplitHostPort(first.address)
	if err != nil {
		t.Fatal(err)
	}
	second := launch(t, local("PORT", port))
	if status := second.exit(t); status != 1 || !strings.Contains(strings.Join(second.output(), ""), "cannot listen") {
		t.Errorf("exit status %d, output %v", status, second.output())
	}
}

func TestArgumentsAreRefused(t *testing.T) {
	p := launch(t, local(), "serve")
	if status := p.exit(t); status != 64 || !strings.Contains(p.errors(), `found argument "serve"`) {
		t.Errorf("exit status %d, stderr %q", status, p.errors())
	}
}

// What net/http answers by itself, before any handler runs.
func TestAnswersOfTheServerItself(t *testing.T) {
	p := start(t, local())
	authorized := "Host: x\r\nAuthorization: Bearer e\r\n"
	for name, test := range map[string]struct {
		text   string
		status int
	}{
		"header over 16 KiB":          {"GET /scim/Users HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 17<<10) + "\r\n\r\n", 431},
		"target over 16 KiB":          {"GET /scim/" + strings.Repeat("a", 17<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		"no host":                     {"GET /scim/Users HTTP/1.1\r\n\r\n", 400},
		"two hosts":                   {"GET /scim/Users HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		"bad host":                    {"GET /scim/Users HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		"bad escape":                  {"GET /scim/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"nonsense":                    {"NONSENSE\r\n\r\n", 400},
		"space in header name":        {"GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer e\r\n\r\n", 400},
		"folded header":               {"GET /scim/Users HTTP/1.1\r\nHost: x\r\n Authorization: Bearer e\r\n\r\n", 400},
		"two lengths":                 {"POST /scim/Users HTTP/1.1\r\n" + authorized + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"negative length":             {"POST /scim/Users HTTP/1.1\r\n" + authorized + "Content-Length: -1\r\n\r\n", 400},
		"unknown transfer coding":     {"POST /scim/Users HTTP/1.1\r\n" + authorized + "Transfer-Encoding: gzip\r\n\r\n", 501},
		"two transfer codings":        {"POST /scim/Users HTTP/1.1\r\n" + authorized + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
		"obfuscated transfer coding":  {"POST /scim/Users HTTP/1.1\r\n" + authorized + "Transfer-Encoding: xchunked\r\n\r\n", 501},
		"HTTP/2 preface":              {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405},
		"control character in target": {"GET /scim/\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"options of the server":       {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		"15 KiB of header":            {"GET /scim/Users HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 15<<10) + "\r\n\r\n", 401},
	} {
		response, body := p.exchange(t, test.text)
		if response.StatusCode != test.status {
			t.Errorf("%s: %d %s, want %d", name, response.StatusCode, body, test.status)
		}
	}
	// CVE-2019-16276, RFC 9112 section 6.1: a message with both framings is
	// read as chunked, and the connection ends with it.
	response, _ := p.exchange(t, "POST /elsewhere HTTP/1.1\r\n"+authorized+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n")
	if response.StatusCode != 404 && response.StatusCode != 400 {
		t.Errorf("both framings: %d", response.StatusCode)
	}
	if p.errors() != "" {
		t.Errorf("stderr: %q", p.errors())
	}
}

func TestTerminationDrainsCallsInFlight(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = fmt.Fprint(w, "finished")
	})
	p := start(t, b.environment(t))
	conn := p.dial(t)
	if _, err := io.WriteString(conn, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.entra+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-arrived
	p.terminate(t)
	p.await(t, `"msg":"stopping`)
	close(release)
	if response, body := receive(t, conn); response.StatusCode != 200 || body != "finished" {
		t.Errorf("the call in flight: %d %q", response.StatusCode, body)
	}
	if status := p.exit(t); status != 0 || p.errors() != "" {
		t.Errorf("exit status %d, stderr %q", status, p.errors())
	}
}

// A client that was refused and goes on sending is nothing to wait for.
func TestTerminationDoesNotWaitForRefusedClients(t *testing.T) {
	t.Parallel()
	p := start(t, local())
	conn := p.dial(t)
	if _, err := io.WriteString(conn, "POST /scim/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123"); err != nil {
		t.Fatal(err)
	}
	if response, _ := receive(t, conn); response.StatusCode != 401 {
		t.Errorf("%d", response.StatusCode)
	}
	p.terminate(t)
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d\n%s", status, strings.Join(p.output(), "\n"))
	}
}

func TestSettingsReachTheProxy(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	b := newBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	})
	environment := b.environment(t)
	environment["BACKEND_TIMEOUT"], environment["MAX_BODY"] = "3s", "4"
	p := start(t, environment)
	for _, setting := range []string{"ENTRA_TOKEN", "BACKEND_TOKEN", "BACKEND_CA"} {
		// Before any call: the first one should not have to wait.
		if line := p.await(t, `"setting":"`+setting+`"`); !strings.Contains(line, `"msg":"secret read"`) {
			t.Errorf("line %s", line)
		}
	}
	call := " /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.entra + "\r\n"
	if response, _ := p.exchange(t, "POST"+call+"Content-Length: 5\r\n\r\n12345"); response.StatusCode != 413 {
		t.Errorf("MAX_BODY: %d", response.StatusCode)
	}
	if response, _ := p.exchange(t, "POST"+call+"Content-Length: 4\r\n\r\n1234"); response.StatusCode != 200 {
		t.Errorf("a body of MAX_BODY: %d", response.StatusCode)
	}
	if response, _ := p.exchange(t, "GET"+call+"\r\n"); response.StatusCode != 504 {
		t.Errorf("BACKEND_TIMEOUT: %d", response.StatusCode)
	}
}

func TestUnreadableBundleIs503(t *testing.T) {
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	environment := b.environment(t)
	environment["BACKEND_CA"] = "file:" + write(t, "ca", "no PEM")
	p := start(t, environment)
	response, _ := p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.entra+"\r\n\r\n")
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if line := p.await(t, `"setting":"BACKEND_CA"`); !strings.Contains(line, "no PEM block") {
		t.Errorf("line %s", line)
	}
}

func TestWhatTheSDKRefusesIsABadSetting(t *testing.T) {
	environment := local("ENTRA_TOKEN", "keyvault:x", "KEY_VAULT_URL", "https://contoso.vault.azure.net", "AZURE_TOKEN_CREDENTIALS", "nonsense")
	p := launch(t, environment)
	if status := p.exit(t); status != 78 || !strings.HasSuffix(p.errors(), "handler: bad settings: KEY_VAULT_URL\n") {
		t.Errorf("exit status %d, stderr %q", status, p.errors())
	}
	// A vault that no reference uses is no reason to fail.
	environment["ENTRA_TOKEN"] = "plain:e"
	start(t, environment)
}

// What net/http logs goes to the log, without a peer's bytes, and not to
// standard error.
func TestWordsOfNetHTTPGoToTheLog(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		// net/http logs this one only if it comes when the answer is through.
		time.AfterFunc(300*time.Millisecond, func() { _, _ = io.WriteString(conn, "HTTP/1.1 200 canary\r\n\r\n") })
	})
	environment := b.environment(t)
	b.TLS.NextProtos = []string{"http/1.1"}
	p := start(t, environment)
	p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.entra+"\r\n\r\n")
	line := p.await(t, `"msg":"net/http"`)
	if !strings.Contains(line, "Unsolicited response") || strings.Contains(line, "canary") || p.errors() != "" {
		t.Errorf("line %s, stderr %q", line, p.errors())
	}
}
