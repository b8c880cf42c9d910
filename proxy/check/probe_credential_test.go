package check_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/token"
)

// refuses reads nothing.
func refuses(err error) func(context.Context) (token.Credentials, error) {
	return func(context.Context) (token.Credentials, error) { return nil, err }
}

// these reads values that count, the newest first.
func these(values ...string) func(context.Context) (token.Credentials, error) {
	return func(context.Context) (list token.Credentials, err error) {
		for _, value := range values {
			list = append(list, token.NewSecret(value))
		}
		return list, nil
	}
}

const renew = "renew the secret that BACKEND_TOKEN refers to"

func TestCredentialThatIsRefused(t *testing.T) {
	asking := func(asks string) backend.Harm { return backend.Instead("", replying(401, asks, "")) }
	for name, test := range map[string]struct {
		harm backend.Harm
		want want
	}{
		"by a backend that wants a token": {backend.Unauthorized(), want{class: "credential_refused", remedy: renew, details: "asks for Bearer"}},
		"by one that wants a password": {
			asking(`WWW-Authenticate: Basic realm="Bearer, canary", charset="UTF-8"`),
			want{class: "credential_refused", remedy: "set BACKEND_AUTH=basic", details: "asks for Basic"},
		},
		"by one that wants this or that": {
			asking("WWW-Authenticate: Negotiate\nWWW-Authenticate: Basic realm=x, bearer realm=y"),
			want{class: "credential_refused", remedy: renew, details: "asks for Basic or Bearer or Negotiate"},
		},
		"by one that wants a Windows logon": {
			asking("WWW-Authenticate: Negotiate\nWWW-Authenticate: NTLM"),
			want{class: "credential_refused", remedy: "Windows logon", details: "asks for NTLM or Negotiate"},
		},
		"without a word":       {asking(""), want{class: "credential_refused", remedy: renew}},
		"with the credential":  {asking("WWW-Authenticate: " + backendToken), want{class: "credential_refused", remedy: renew}},
		"by a firewall":        {backend.RefuseBare(403), want{class: "forbidden", found: "403", remedy: "firewall"}},
		"by a firewall's page": {backend.ErrorPage(403), want{class: "forbidden", found: "403", remedy: "firewall"}},
		"for want of rights":   {backend.Refuse(403, "no"), want{found: "403", remedy: "right to read", details: "invalid credentials"}},
		"with half an answer":  {backend.CutBody(9), want{class: "backend_cut", found: "broke off"}},
		"with a reset":         {backend.Reset(), want{class: "bad_answer", found: "no usable answer"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			w.trouble.Begin(test.harm, backend.When{})
			report := quiet(t, w)
			test.want.status = check.Fail
			test.want.check(t, report, "credential")
			for _, name := range []string{"users", "groups", "proxy users", "proxy groups"} {
				want{status: check.Skip}.check(t, report, name)
			}
		})
	}
}

func TestCredentialThatIsBasic(t *testing.T) {
	w := newWorld(t, backend.Options{Basic: backend.BasicAuth{User: "proxy", Password: backendToken}})
	scheme := proxy.Scheme{User: "proxy"}
	w.Present = scheme.Present
	want{status: check.Pass}.check(t, w.run(t), "credential")
	w.trouble.Begin(backend.Unauthorized(), backend.When{})
	want{status: check.Fail, class: "credential_refused", remedy: "set BACKEND_AUTH=bearer", details: "asks for Bearer"}.check(t, quiet(t, w), "credential")
}

func TestCredentialOfWhichTheOneBeforeIsTaken(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Secrets[1].Read = these("newer-canary", "new-canary", backendToken)
	report := quiet(t, w)
	want{status: check.Warn, class: "credential_refused", found: "takes another that counts", remedy: "known to the backend"}.check(t, report, "credential")
	for _, name := range []string{"users", "groups", "proxy users", "proxy groups"} {
		want{status: check.Pass}.check(t, report, name)
	}

	w.Secrets[1].Read = these("newer-canary", "new-canary")
	report = quiet(t, w)
	want{status: check.Fail, class: "credential_refused", remedy: renew, details: "no other value that counts"}.check(t, report, "credential")
}

func TestBackendThatServesWhoeverCalls(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.trouble.Begin(backend.Instead("", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+backendToken)
		w.serve(rw, r)
	})), backend.When{})
	report := quiet(t, w)
	want{status: check.Warn, found: "serves whoever calls", remedy: "refuse calls without a credential"}.check(t, report, "credential")
	if report.Result != check.Pass {
		t.Error(report.Result)
	}
}

func TestCredentialOfWhichNothingIsKnown(t *testing.T) {
	for details, harm := range map[string]backend.Harm{"status 500": backend.Refuse(500, "no"), "text/html": backend.LoginPage()} {
		w := newWorld(t, backend.Options{})
		w.trouble.Begin(harm, backend.When{})
		want{status: check.Pass, found: "not refused", details: details}.check(t, quiet(t, w), "credential")
	}
}

func TestCertificateThatIsEnough(t *testing.T) {
	w := newWorld(t, backend.Options{})
	certificate, key, err := w.authority.Issue(pki.Leaf{CommonName: "proxy", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	w.Secrets = append(w.Secrets, check.Secret{Setting: check.BackendCert, Source: "plain", Read: static(string(certificate) + string(key))})
	w.trouble.Begin(backend.Instead("", replying(200, "", listOf(`"totalResults":0`))), backend.When{})
	want{status: check.Pass, found: "the client certificate is enough"}.check(t, quiet(t, w), "credential")
}

// A wrong credential could lock the account out: none is sent.
func TestCredentialIsNeverGuessed(t *testing.T) {
	w := newWorld(t, backend.Options{})
	quiet(t, w)
	without := 0
	for _, call := range w.seen() {
		switch call.Header.Get("Authorization") {
		case "Bearer " + backendToken:
		case "":
			without++
		default:
			t.Errorf("%s with %q", call.URI, call.Header.Get("Authorization"))
		}
	}
	if without != 1 {
		t.Errorf("%d calls without a credential", without)
	}
}

// withoutToken is BACKEND_AUTH=none for the check. The proxy goes on as it was.
func (w *world) withoutToken() {
	before := &world{Options: w.Options, authority: w.authority}
	w.Proxy, w.Present = before.proxy, nil
	w.Secrets = append(w.Secrets[:1:1], w.Secrets[2])
}

func TestCertificateThatIsNoCredential(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.withoutToken()
	report := quiet(t, w)
	want{status: check.Fail, class: "credential_refused", remedy: "client certificate"}.check(t, report, "credential")
	w.trouble.Begin(backend.Instead("", replying(200, "", listOf(`"totalResults":0`))), backend.When{})
	want{status: check.Pass, found: "takes the connection"}.check(t, quiet(t, w), "credential")
}

func TestSecretThatCannotBeRead(t *testing.T) {
	w := newWorld(t, backend.Options{})
	w.Secrets[1].Read = refuses(errors.New("the vault does not answer"))
	report := quiet(t, w)
	for _, name := range []string{"credential", "users", "groups", "proxy users"} {
		if got := finding(t, report, name); got.Status != check.Skip || !strings.HasPrefix(got.Found, "needs ") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
