package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"example.com/entra-scim-proxy/lab/profile"
)

// checked asks the deployed app for its check, by way of the Functions host.
func (w *world) checked() (result string, body string) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.TenantURL(false)+"/.well-known/check", nil)
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.Token())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatal(err)
	}
	var report struct{ Result string }
	if err := json.Unmarshal(text, &report); err != nil || response.StatusCode != http.StatusOK {
		w.Fatalf("%d %s: %v", response.StatusCode, text, err)
	}
	return report.Result, string(text)
}

// Every system of the field passes the check with the settings that it asks for.
func TestEverySystemPassesTheCheck(t *testing.T) {
	for _, system := range profile.All() {
		t.Run(system.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, system.Name)
			if result, body := w.checked(); result != "pass" {
				t.Errorf("%s", body)
			}
		})
	}
}

// A backend that is gone is found, in the app as it is deployed.
func TestTheCheckFindsABackendThatIsGone(t *testing.T) {
	w := newWorld(t, "strict", "BACKEND_URL=https://127.0.0.1:1/scim")
	w.troubled = true
	if result, body := w.checked(); result != "fail" {
		t.Errorf("%s", body)
	}
}
