package vault_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/vault"
)

const host = "contoso-test.vault.azure.net"

func serve(t *testing.T, v *vault.Vault) *vault.Server {
	t.Helper()
	server, err := vault.Serve(v, host, t.TempDir())
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// clientOf does what Go does in a process with the environment given.
func clientOf(t *testing.T, environment map[string]string) *http.Client {
	t.Helper()
	proxy, err := url.Parse(environment["HTTPS_PROXY"])
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(environment["SSL_CERT_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		t.Fatalf("no certificate in %s", root)
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme == "https" {
				return proxy, nil
			}
			return nil, nil
		},
		TLSClientConfig: &tls.Config{RootCAs: pool},
	}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// call makes a GET with one header and decodes the answer.
func call(t *testing.T, client *http.Client, url, header, value string, into any) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(header, value)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func TestEnvironmentLeadsToTheVault(t *testing.T) {
	server := serve(t, &vault.Vault{})
	id := server.Set("a", vault.Secret{Value: "one"})
	environment := server.Environment()
	client := clientOf(t, environment)

	var issued struct {
		Token string `json:"access_token"`
	}
	endpoint := environment["IDENTITY_ENDPOINT"] + "?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net"
	if status := call(t, client, endpoint, "X-Identity-Header", environment["IDENTITY_HEADER"], &issued); status != http.StatusOK {
		t.Fatalf("identity endpoint: got %d", status)
	}
	var got document
	status := call(t, client, environment["KEY_VAULT_URL"]+"/secrets/a?api-version=1", "Authorization", "Bearer "+issued.Token, &got)
	if status != http.StatusOK || got.Value != "one" || got.ID != "https://"+host+"/secrets/a/"+id {
		t.Errorf("got %d, %+v", status, got)
	}
	if strays := server.Strays(); len(strays) > 0 {
		t.Errorf("strays: %q", strays)
	}

	// A broken call takes its connection along, and the next one gets through.
	server.SetDown(true)
	if response, err := client.Get("https://" + host + "/secrets/a"); err == nil {
		response.Body.Close()
		t.Errorf("down: got %d", response.StatusCode)
	}
	server.SetDown(false)
	if status := call(t, client, "https://"+host+"/secrets/a", "Accept", "*/*", &got); status != http.StatusUnauthorized {
		t.Errorf("up again: got %d", status)
	}
	server.Close()
	if response, err := client.Get("https://" + host + "/secrets/a"); err == nil {
		response.Body.Close()
		t.Errorf("closed: got %d", response.StatusCode)
	}
}

func TestProxyLeadsNowhereElse(t *testing.T) {
	server := serve(t, &vault.Vault{})
	environment := server.Environment()
	client := clientOf(t, environment)
	for _, url := range []string{"https://other.vault.azure.net/", "https://" + host + ":8443/"} {
		if response, err := client.Get(url); err == nil {
			response.Body.Close()
			t.Errorf("%s: got %d", url, response.StatusCode)
		}
	}
	response, err := client.Get(environment["HTTPS_PROXY"])
	if err != nil || response.StatusCode != http.StatusForbidden {
		t.Fatalf("plain HTTP: got %v, %v", response, err)
	}
	response.Body.Close()
	want := []string{"CONNECT other.vault.azure.net:443", "CONNECT " + host + ":8443", "GET " + environment["HTTPS_PROXY"][len("http://"):]}
	if diff := cmp.Diff(want, server.Strays()); diff != "" {
		t.Errorf("strays (-want +got):\n%s", diff)
	}
}

func TestServeWithoutADirectory(t *testing.T) {
	if _, err := vault.Serve(&vault.Vault{}, host, filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("no error")
	}
}
