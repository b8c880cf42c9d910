package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/entra"
)

// tap passes connections on to an address and keeps the bytes that come back
// from it.
type tap struct {
	net.Listener
	mu    sync.Mutex
	bytes strings.Builder
}

func newTap(t *testing.T, target string) *tap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &tap{Listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	go func() { // ends when the listener is closed
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go join(server, client)                              // ends when a side closes
			go join(io.MultiWriter(client, tap), server, client) // likewise
		}
	}()
	return tap
}

func join(to io.Writer, from net.Conn, closing ...net.Conn) {
	_, _ = io.Copy(to, from)
	for _, conn := range append(closing, from) {
		_ = conn.Close()
	}
	if conn, ok := to.(net.Conn); ok {
		_ = conn.Close()
	}
}

func (t *tap) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes.Write(data)
}

func (t *tap) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes.String()
}

// A whole cycle of Entra's through the real process, then calls that fail: no
// log line and no byte on a wire holds what does not belong there.
func TestNothingLeaksInAWholeRun(t *testing.T) {
	var mu sync.Mutex
	var got strings.Builder // what the backend was sent
	var service http.Handler
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		dump, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		got.Write(dump)
		mu.Unlock()
		service.ServeHTTP(w, r)
	})
	environment := b.environment(t)
	environment["LOG_LEVEL"], environment["NORMALIZE"] = "debug", "all"
	p := start(t, environment)
	wire := newTap(t, p.address)
	base := "http://" + wire.Addr().String() + "/scim"
	scim, err := backend.New(backend.Options{Token: b.token, BasePath: "/rest/scim/v2", PublicURL: base})
	if err != nil {
		t.Fatal(err)
	}
	service = scim

	ids := append(runCycle(t, base, b.entra), runCycle(t, base+"?aadOptscim062020", b.entra)...)
	host := b.Listener.Addr().String()
	for _, call := range []string{
		"GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong-canary\r\n\r\n",
		"GET /scim/Users?filter=query-canary%20; HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.entra + "\r\n\r\n",
		"GET /scim/Users/path-canary/../x HTTP/1.1\r\nHost: x\r\n\r\n", "METHOD-CANARY / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		p.exchange(t, call)
	}
	b.Close()
	down := "GET /scim/Users/id-canary HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.entra + "\r\n\r\n"
	conn, err := net.Dial("tcp", wire.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, down); err != nil {
		t.Fatal(err)
	}
	if response, _ := receive(t, conn); response.StatusCode != 502 {
		t.Errorf("backend down: %d", response.StatusCode)
	}
	p.terminate(t)
	if status := p.exit(t); status != 0 || p.errors() != "" {
		t.Errorf("exit status %d, stderr %q", status, p.errors())
	}

	log := strings.Join(p.output(), "\n")
	inside := []string{b.token, host, privateName, "Private Canary Root", "leaf-canary", "rest/scim/v2", environment["BACKEND_CA"][5:]}
	people := append(ids, "ada.example", "contoso.com", "Contoso+Engineering", "Contoso Engineering")
	absent(t, "log", log, append(append(inside, b.entra, "canary", environment["ENTRA_TOKEN"][5:]), people...))
	absent(t, "wire to Entra", wire.text(), append(inside, b.entra, "canary"))
	mu.Lock()
	defer mu.Unlock()
	absent(t, "wire to the backend", got.String(), []string{b.entra, "aadOptscim062020", "canary-"})
	if !strings.Contains(log, `"rules":"`) {
		t.Error("no call was normalized")
	}
	for text, needle := range map[string]string{log: `"route":"/Users/{id}"`, wire.text(): "application/scim+json", got.String(): b.token} {
		if !strings.Contains(text, needle) {
			t.Errorf("the search is blind: nothing holds %q", needle)
		}
	}
}

// runCycle plays Entra and returns the ids of the resources it met.
func runCycle(t *testing.T, tenantURL, token string) []string {
	t.Helper()
	client, err := entra.New(entra.Options{TenantURL: tenantURL, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var ids []string
	for _, call := range client.Lifecycle(t.Context()) {
		if !call.OK {
			t.Errorf("%s: %d %s", call.Step, call.Status, call.Detail)
		}
		path, _, _ := strings.Cut(call.Path, "?")
		if segments := strings.Split(path, "/"); len(segments) > 3 {
			ids = append(ids, segments[3])
		}
	}
	if len(ids) == 0 {
		t.Error("the cycle met no id")
	}
	return ids
}

func absent(t *testing.T, where, text string, needles []string) {
	t.Helper()
	folded := strings.ToLower(text)
	for _, needle := range needles {
		if at := strings.Index(folded, strings.ToLower(needle)); at >= 0 {
			t.Errorf("%s holds %q: …%s…", where, needle, text[max(0, at-80):min(len(text), at+80)])
		}
	}
}

// Names of a certificate are for the operator, in the log; Entra sees one
// sentence, whatever failed.
func TestTLSFailureTellsTheOperatorAndNotEntra(t *testing.T) {
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	other := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	for class, change := range map[string][2]string{
		"tls_unknown_authority": {"BACKEND_CA", "file:" + write(t, "ca", other.ca)},
		"tls_wrong_name":        {"BACKEND_SERVER_NAME", "other.example.com"},
	} {
		environment := b.environment(t)
		environment[change[0]] = change[1]
		p := start(t, environment)
		response, body := p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-1\r\nAuthorization: Bearer "+b.entra+"\r\n\r\n")
		const want = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"502","detail":"The TLS connection from the proxy to the identity backend failed. Request id: id-1"}`
		if response.StatusCode != 502 || body != want {
			t.Errorf("%s: %d %s", class, response.StatusCode, body)
		}
		line := p.await(t, `"class":"`+class+`"`)
		if !strings.Contains(line, `"remedy":"`) || !strings.Contains(line, `"level":"error"`) {
			t.Errorf("%s: line %s", class, line)
		}
	}
}
