package main

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/vault"
)

// startWithVault runs the handler with both tokens and the CA of a backend in a
// vault. The backend answers with the credential it was presented.
func startWithVault(t *testing.T, v *vault.Vault, more map[string]string) (*process, *testBackend) {
	t.Helper()
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Header.Get("Authorization")) })
	environment := startVault(t, v)
	maps.Copy(environment, b.environment(t))
	maps.Copy(environment, map[string]string{"ENTRA_TOKEN": "keyvault:entra-token", "BACKEND_TOKEN": "keyvault:backend-token", "BACKEND_CA": "keyvault:backend-ca"})
	maps.Copy(environment, more)
	v.Set("entra-token", vault.Secret{Value: b.entra, Expires: time.Now().Add(20 * 24 * time.Hour)})
	v.Set("backend-token", vault.Secret{Value: b.token, Expires: time.Now().Add(-time.Hour)})
	v.Set("backend-ca", vault.Secret{Value: b.ca})
	return start(t, environment), b
}

func (p *process) get(t *testing.T, token string) (status int, body string) {
	t.Helper()
	response, body := p.exchange(t, "GET /scim/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n\r\n")
	return response.StatusCode, body
}

// A role that is missing is named with whom it is missing for; once it is there,
// the proxy works without a restart.
func TestMissingRoleIsNamedInTheLogAndMends(t *testing.T) {
	t.Parallel()
	v := &vault.Vault{}
	const principal = "appid=11111111-2222-3333-4444-555555555555;oid=66666666-7777-8888-9999-000000000000"
	v.Refuse(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac", Message: "Caller is not authorized to perform action on resource.\r\nCaller: " + principal + ";iss=https://sts.windows.net/x/\r\nVault: contoso-canary;location=westeurope"})
	p, b := startWithVault(t, v, nil)
	for _, setting := range []string{"ENTRA_TOKEN", "BACKEND_TOKEN", "BACKEND_CA"} {
		p.awaitLine(t, b.entra, `"setting":"`+setting+`"`, `"level":"error"`, "Key Vault Secrets User", principal)
	}
	if status, body := p.get(t, b.entra); status != 503 || strings.Contains(body, "vault") {
		t.Errorf("%d %s", status, body)
	}
	v.Refuse(vault.Refusal{})
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) { // real time: it is another process's back-off
		if status, _ := p.get(t, b.entra); status == 200 {
			break
		} else if status != 503 || time.Now().After(limit) {
			t.Fatalf("%d", status)
		}
	}
	absent(t, "log", strings.Join(p.output(), "\n"), []string{b.entra, b.token, "canary", "entra-token", "sts.windows.net"})
}

// What has expired is still presented, because the backend may take it, and the
// log says what is going to fail when.
func TestExpiryIsInTheLog(t *testing.T) {
	p, b := startWithVault(t, &vault.Vault{}, nil)
	if status, body := p.get(t, b.entra); status != 200 || body != "Bearer "+b.token {
		t.Errorf("%d %s", status, body)
	}
	for what, want := range map[string]string{
		`"what":"ENTRA_TOKEN"`: `"level":"warn"`, `"what":"BACKEND_TOKEN"`: `"level":"error"`, `"what":"BACKEND_CA"`: `"level":"info"`,
		`"what":"backend certificate"`: `"level":"info"`, `"what":"backend issuer"`: `"level":"info"`,
	} {
		if line := p.await(t, what); !strings.Contains(line, want) || !strings.Contains(line, `"days_left":`) || !strings.Contains(line, `"expires":"20`) {
			t.Errorf("line %s, want %s", line, want)
		}
	}
	absent(t, "log", strings.Join(p.output(), "\n"), []string{b.entra, b.token, "canary"})
}

// However many calls come before the first secret is here, each secret is read
// once.
func TestManyCallersOnAColdStartReadEachSecretOnce(t *testing.T) {
	v := &vault.Vault{}
	v.SetDelay(200 * time.Millisecond)
	p, b := startWithVault(t, v, nil)
	statuses := make(chan int, 200)
	for range cap(statuses) {
		go func() { // ends with its one call
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+"/scim/Users", nil)
			if err != nil {
				panic(err)
			}
			request.Header.Set("Authorization", "Bearer "+b.entra)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				statuses <- 0
				return
			}
			_ = response.Body.Close()
			statuses <- response.StatusCode
		}()
	}
	for range cap(statuses) {
		if status := <-statuses; status != 200 {
			t.Errorf("status %d", status)
		}
	}
	want := map[string]int{"entra-token": 1, "backend-token": 1, "backend-ca": 1}
	if counts := v.Counts(); !maps.Equal(counts.Reads, want) || counts.Lists != 3 || counts.Tokens != 1 {
		t.Errorf("the vault counted %+v; want one read of each secret", counts)
	}
}

// The token that Entra has ran out, and an older one is still in force: the log
// says why Entra is refused, also of a process that started later.
func TestExpiredTokenOfCallersIsInTheLog(t *testing.T) {
	v := &vault.Vault{}
	v.Set("expired", vault.Secret{Value: "retired", Created: time.Now().Add(-time.Hour)})
	v.Set("expired", vault.Secret{Value: "ran-out", Expires: time.Now().Add(-time.Minute)})
	p, _ := startWithVault(t, v, map[string]string{"ENTRA_TOKEN": "keyvault:expired"})
	for token, want := range map[string]int{"retired": 200, "ran-out": 401} {
		if status, body := p.get(t, token); status != want {
			t.Errorf("%s: %d %s, want %d", token, status, body, want)
		}
	}
	p.awaitLine(t, "retired", `"msg":"expired"`, `"level":"error"`, `"what":"ENTRA_TOKEN"`)
}

func TestPinnedVersionStays(t *testing.T) {
	v := &vault.Vault{}
	pinned := v.Set("pinned", vault.Secret{Value: "the-pinned-token"})
	v.Set("pinned", vault.Secret{Value: "a-newer-token"})
	p, b := startWithVault(t, v, map[string]string{"BACKEND_TOKEN": "keyvault:pinned/" + pinned})
	if status, body := p.get(t, b.entra); status != 200 || body != "Bearer the-pinned-token" {
		t.Errorf("%d %s", status, body)
	}
}
