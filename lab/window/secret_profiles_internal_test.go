package window

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/profile"
)

// However a system wants its secret, the window shows the digits that the proxy
// logs of it, and not the secret.
func TestSecretsOfEverySystemAreMasked(t *testing.T) {
	const secret = "canary-of-the-backend"
	for _, p := range profile.All() {
		call := &http.Request{Header: http.Header{}}
		p.Auth.Present(call, secret)
		plain := fmt.Sprint(call.Header)
		clean, _ := redactHeader(call.Header)
		shown := fmt.Sprint(clean)
		if p.Auth.ClientCertificate() {
			continue
		}
		if plain == "map[]" || strings.Contains(shown, secret) || !strings.Contains(shown, mask(secret)) {
			t.Errorf("%s: %s", p.Name, shown)
		}
		for _, values := range call.Header {
			_, encoded, _ := strings.Cut(values[0], " ")
			if encoded != "" && strings.Contains(shown, encoded) {
				t.Errorf("%s shows the credential encoded: %s", p.Name, shown)
			}
		}
	}
}
