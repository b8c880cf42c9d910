package check_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy"
)

// echoing serves an answer, byte for byte as given, but for the credential that
// came in place of each %.
func echoing(t *testing.T, format string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with its call
				defer func() { _ = conn.Close() }()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, credential, _ := strings.Cut(request.Header.Get("Authorization"), " ")
				_, _ = conn.Write([]byte(strings.ReplaceAll(format, "%", credential)))
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// A backend, or what is in front of it, may send back what it got.
func TestNoCredentialIsEchoed(t *testing.T) {
	const body = "Content-Length: 0\r\nConnection: close\r\n\r\n"
	for name, format := range map[string]string{
		"status line":       "HTTP/1.1 200 %\r\n" + body,
		"status":            "HTTP/1.1 % OK\r\n" + body,
		"protocol":          "HTTP/% 200 OK\r\n" + body,
		"no HTTP":           "%\r\n\r\n",
		"header line":       "HTTP/1.1 200 OK\r\nAuthorization %\r\n" + body,
		"header name":       "HTTP/1.1 200 OK\r\n% x: y\r\n" + body,
		"continued line":    "HTTP/1.1 200 OK\r\n %\r\n" + body,
		"content type":      "HTTP/1.1 200 OK\r\nContent-Type: text/%\r\n" + body,
		"content type 2":    "HTTP/1.1 200 OK\r\nContent-Type: %\r\n" + body,
		"content type 3":    "HTTP/1.1 404 OK\r\nContent-Type: %\r\n" + body,
		"length":            "HTTP/1.1 200 OK\r\nContent-Length: %\r\n\r\n",
		"lengths":           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: %\r\n\r\n",
		"transfer encoding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: %\r\n\r\n",
		"content encoding":  "HTTP/1.1 403 OK\r\nContent-Encoding: %\r\n" + body,
		"chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%\r\n",
		"trailer":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n%\r\n\r\n",
		"trailer name":      "HTTP/1.1 200 OK\r\nTrailer: %\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"challenge":         "HTTP/1.1 401 OK\r\nWWW-Authenticate: %\r\n" + body,
		"challenge realm":   "HTTP/1.1 401 OK\r\nWWW-Authenticate: Bearer realm=%\r\n" + body,
		"location":          "HTTP/1.1 302 OK\r\nLocation: /login/%\r\n" + body,
		"location host":     "HTTP/1.1 302 OK\r\nLocation: https://%.example.com/\r\n" + body,
		"location user":     "HTTP/1.1 302 OK\r\nLocation: https://%@example.com/login\r\n" + body,
		"location query":    "HTTP/1.1 302 OK\r\nLocation: /login?%\r\n" + body,
		"location fragment": "HTTP/1.1 302 OK\r\nLocation: /login#%\r\n" + body,
		"location opaque":   "HTTP/1.1 302 OK\r\nLocation: x:%\r\n" + body,
		"location scheme":   "HTTP/1.1 302 OK\r\nLocation: %://example.com/login\r\n" + body,
		"SCIM Error":        "HTTP/1.1 500 OK\r\nConnection: close\r\n\r\n" + `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"%","detail":"%","status":"%"}`,
		"403 Error":         "HTTP/1.1 403 OK\r\nConnection: close\r\n\r\n" + `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"%","detail":"%","status":"%"}`,
		"list":              "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse","%"],"totalResults":0,"%":"%","Resources":[{"id":"%","userName":"%","%":1}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, user := range []string{"", "proxy"} {
				w := newWorld(t, backend.Options{})
				scheme := proxy.Scheme{User: user}
				w.Options = w.options(t, echoing(t, format)+basePath)
				w.Present, w.Secrets, w.Write = scheme.Present, w.Secrets[:2], true
				report := w.run(t)
				// Media types are read in lower case.
				text := strings.ToLower(fmt.Sprintf("%+v", report))
				pair := base64.RawStdEncoding.EncodeToString([]byte("proxy:" + backendToken))
				if strings.Contains(text, backendToken) || strings.Contains(text, strings.ToLower(pair)) {
					t.Errorf("user %q: the report has the credential", user)
				}
				if public := fmt.Sprintf("%+v", report.Public()); strings.Contains(public, "127.0.0.1") || strings.Contains(public, basePath) {
					t.Errorf("user %q: the public report has the address", user)
				}
			}
		})
	}
}

// An answer without end takes neither the memory nor the time of the check.
func TestAnAnswerWithoutEndIsNotReadWhole(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.trouble.Begin(backend.Instead("without end", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for range 8 {
			_, _ = rw.Write([]byte(strings.Repeat(" ", 1<<20)))
		}
		<-r.Context().Done()
	})), backend.When{})
	report := w.run(t)
	for _, name := range []string{"users", "proxy users"} {
		if got := finding(t, report, name); got.Class != "" || !strings.Contains(got.Found, "more than 512 KiB") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
