package window_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/window"
)

// No credential gets out by any endpoint, whatever a peer echoes.
func TestNoSecretReachesThePage(t *testing.T) {
	const key, cookie = "canary-of-a-function-key", "session=canary-of-a-cookie"
	echoes := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Echo", r.Header.Get("Authorization")+" "+entraToken)
		w.Header().Add("Set-Cookie", cookie)
		_, _ = io.WriteString(w, "token "+backendToken+", body ")
		_, _ = w.Write(body)
	}
	w := newWorld(t, echoes, window.Options{})
	events := w.watch(t, "")
	// The token lies across the end of what is kept of a body.
	pad := strings.Repeat("x", 64<<10-len(entraToken)/2)
	for _, target := range []string{"/scim/Users?code=" + key, "/scim/Users?x=1&CODE=" + key + "&filter=a", "/refuse"} {
		request, _ := http.NewRequestWithContext(t.Context(), "POST", w.front.URL+target, strings.NewReader(pad+entraToken))
		request.Header = http.Header{
			"Authorization": {"Bearer " + entraToken}, "X-Functions-Key": {"canary"}, "Cookie": {cookie}, "Proxy-Authorization": {entraToken},
			"X-Request-Id": {"for " + entraToken},
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	w.front.Close()
	w.backend.Close()

	seen := map[string]string{}
	for _, path := range []string{"/", "/app.js", "/exchanges/call-1", "/exchanges/call-2", "/exchanges/call-3"} {
		status, body := w.get(t, path)
		if status != http.StatusOK {
			t.Fatalf("%s: %d", path, status)
		}
		seen[path] = body
	}
	for !strings.Contains(seen["/events"], `"id":"call-3"`) {
		seen["/events"] += events.next(t).raw
	}
	for path, body := range seen {
		for _, secret := range []string{entraToken, entraToken[:len(entraToken)/2], backendToken, key, "canary"} {
			if i := strings.Index(body, secret); i >= 0 {
				t.Errorf("%s has %q in ...%s...", path, secret, body[max(0, i-60):i+len(secret)])
			}
		}
	}
	for _, x := range w.Exchanges() {
		for _, m := range []window.Message{x.Entra, x.Answer} {
			if bytes.Contains(m.Body, []byte("canary")) {
				t.Errorf("%s: a body holds a secret", x.ID)
			}
		}
	}
	if first := seen["/exchanges/call-1"]; !strings.Contains(first, masked(entraToken)) || !strings.Contains(first, masked(backendToken)) {
		t.Error("the swap of tokens is not visible")
	}
}
