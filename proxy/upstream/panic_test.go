package upstream_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/upstream"
)

// net/http connects in goroutines of its own, where a panic would end the process.
func TestPanicWhileConnectingIsAnError(t *testing.T) {
	for name, options := range map[string]upstream.Options{
		"roots":    {Roots: func(context.Context) (*upstream.Roots, error) { panic("canary") }},
		"identity": {Identity: func(context.Context) (*upstream.Identity, error) { panic("canary") }},
	} {
		options.ServerName = "scim.corp.example.com"
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1:1/", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := upstream.NewTransport(options).RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
			t.Fatalf("%s: answered", name)
		}
		fault := upstream.Explain(err)
		if fault.Class != "internal" || fault.Remedy == "" || strings.Contains(fault.Cause, "canary") || !strings.Contains(fault.Cause, "panic_test.go") {
			t.Errorf("%s: %+v", name, fault)
		}
	}
}
