package check_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/scim"
)

// guid is a random one (RFC 9562 section 5.4), in lower case.
var guid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// rawBackend answers each call with an empty list, and hands what it was sent to
// see. It is served until the test ends.
func rawBackend(t *testing.T, see func(string)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	body := listOf(`"totalResults":0,"Resources":[]`)
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var request strings.Builder
			for lines := bufio.NewReader(conn); !strings.HasSuffix(request.String(), "\r\n\r\n"); {
				line, err := lines.ReadString('\n')
				if request.WriteString(line); err != nil {
					break
				}
			}
			see(request.String())
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// The backend gets from the check, byte for byte, what it gets from the proxy
// when Entra tests the connection, but for the spelling of header names.
func TestBytesOfTheProbesAtTheBackend(t *testing.T) {
	w := newWorld(t, backend.Options{})
	var mu sync.Mutex
	sent := map[string]int{}
	address := rawBackend(t, func(request string) {
		mu.Lock()
		defer mu.Unlock()
		sent[strings.Replace(guid.ReplaceAllString(request, "GUID"), "Adscimversion:", "ADSCIMVersion:", 1)]++
	})
	w.Backend = &url.URL{Scheme: "http", Host: address, Path: basePath}
	report := w.run(t)
	for _, name := range []string{"credential", "users", "groups", "proxy users", "proxy groups"} {
		if got := finding(t, report, name); got.Status == check.Fail || got.Status == check.Skip {
			t.Errorf("%s: %+v", name, got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	const users, groups = "/Users?filter=userName+eq+%22GUID%22", "/Groups?excludedAttributes=members&filter=displayName+eq+%22GUID%22"
	of := func(target, authorization string) string {
		return "GET " + basePath + target + " HTTP/1.1\r\nHost: " + backendName + "\r\nUser-Agent: entra-scim-proxy/test\r\n" +
			"ADSCIMVersion: 5.0\r\n" + authorization + "\r\n"
	}
	got := map[string]int{}
	for request, times := range sent {
		if strings.Contains(request, "GUID%22 ") {
			got[request] = times
		}
	}
	const bearer = "Authorization: Bearer " + backendToken + "\r\n"
	for request, least := range map[string]int{
		of(users, bearer):  3, // credential, users, proxy users
		of(users, ""):      1, // credential
		of(groups, bearer): 2,
	} {
		if got[request] < least {
			t.Errorf("%d times, want %d:\n%s", got[request], least, request)
		}
		delete(got, request)
	}
	if t.Failed() {
		t.Logf("%+v", got)
	}
}

// The proxy gets what Entra sends: neither Accept nor User-Agent.
func TestProbesAtTheProxy(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Rules = rules(t, "all")
	var mu sync.Mutex
	var got []string
	w.Proxy = seeing(w.proxy, func(r *http.Request) {
		header := r.Header.Clone()
		if header.Get("X-Azure-Functions-Invocationid") == "" {
			t.Error("no id")
		}
		header.Del("X-Azure-Functions-Invocationid")
		who := "Entra"
		if header.Get("Authorization") != "Bearer "+entraToken {
			who = "a stranger"
		}
		header.Del("Authorization")
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s: %s %s %s %v", who, r.Method, guid.ReplaceAllString(r.RequestURI, "GUID"), r.Proto, header))
	})
	w.run(t)
	mu.Lock()
	defer mu.Unlock()
	got = slices.DeleteFunc(got, func(request string) bool { return !strings.Contains(request, "GUID%22 ") })
	slices.Sort(got)
	if diff := cmp.Diff([]string{
		"Entra: GET /scim/Groups?excludedAttributes=members&filter=displayName+eq+%22GUID%22 HTTP/1.1 map[Adscimversion:[5.0]]",
		"Entra: GET /scim/Users?filter=userName+eq+%22GUID%22 HTTP/1.1 map[Adscimversion:[5.0]]",
		"a stranger: GET /scim/Users?filter=userName+eq+%22GUID%22 HTTP/1.1 map[Adscimversion:[5.0]]",
	}, got); diff != "" {
		t.Error(diff)
	}
}

// making is the type of [check.Options].Proxy.
type making = func(scim.Set, bool, *zap.Logger) (http.Handler, error)

// seeing shows each call to the proxies that are made.
func seeing(proxies making, see func(*http.Request)) making {
	return func(rules scim.Set, plain bool, log *zap.Logger) (http.Handler, error) {
		made, err := proxies(rules, plain, log)
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			see(r)
			made.ServeHTTP(rw, r)
		}), err
	}
}

func TestProxyThatTakesEveryToken(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Proxy = seeing(w.proxy, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+entraToken) })
	report := quiet(t, w)
	want{status: check.Fail, found: "a wrong token is answered with 200", remedy: "stop the app"}.check(t, report, "proxy users")
	want{status: check.Pass, found: passes}.check(t, report, "proxy groups")
}

func TestProxyThatCannotBeMade(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Proxy = func(scim.Set, bool, *zap.Logger) (http.Handler, error) { return nil, errors.New("out of proxies") }
	report := quiet(t, w)
	for _, name := range []string{"proxy users", "proxy groups"} {
		want{status: check.Fail, class: "settings", found: "cannot be made", remedy: "settings"}.check(t, report, name)
	}
}

// The proxy's own answers come with the words of its log.
func TestProxyThatRefusesEntra(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Proxy = seeing(w.proxy, func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") })
	report := quiet(t, w)
	want{status: check.Fail, class: "unauthorized", found: "the proxy answers 401", remedy: "Secret Token", details: "invalid credentials"}.check(t, report, "proxy users")
}

// A 400 is about the filter only where calls without one are answered: plain HTTP
// on a port for TLS gets it, too.
func TestProbesThatGet400(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		remedy string
	}{
		"no filters": {func(w *world) {
			w.trouble.Begin(backend.Refuse(400, "no"), backend.When{Match: func(r *http.Request) bool { return r.URL.Query().Has("filter") }})
		}, "filters with eq"},
		"plain HTTP": {func(w *world) { w.Backend.Scheme = "http" }, "check scheme"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			test.change(w)
			report := quiet(t, w)
			for _, step := range []string{"users", "groups"} {
				want{status: check.Fail, found: "400", remedy: test.remedy}.check(t, report, step)
				want{status: check.Fail, found: "400", remedy: "see " + step}.check(t, report, "proxy "+step)
			}
		})
	}
}
