package check_test

import (
	"crypto/tls"
	"testing"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/proxy/check"
)

func TestClientCertificates(t *testing.T) {
	root := certify(t, "Contoso Root", nil, nil)
	leaf := certify(t, "leaf", root, forServer(nil))
	clients, err := pki.New("Client CA")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := pki.New("Stranger")
	if err != nil {
		t.Fatal(err)
	}
	asks := func(config *tls.Config) { config.ClientAuth, config.ClientCAs = tls.RequestClientCert, clients.Pool() }
	for name, test := range map[string]struct {
		configure func(*tls.Config)
		by        *pki.Authority
		alone     bool // it is the only credential
		status    check.Status
		detail    string
	}{
		"none of either":       {nil, nil, false, check.Pass, "asks for no client certificate"},
		"asked, none there":    {asks, nil, false, check.Pass, `of "CN=Client CA", and gets none: BACKEND_CLIENT_CERT is not set`},
		"asked, suited":        {asks, clients, true, check.Pass, `of "CN=Client CA", and gets sha256:`},
		"asked, of another":    {asks, stranger, false, check.Pass, "which none of them issued"},
		"not asked":            {nil, clients, false, check.Pass, "that of BACKEND_CLIENT_CERT is not used"},
		"not asked, and alone": {nil, clients, true, check.Warn, "that of BACKEND_CLIENT_CERT is not used"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, backend.Options{})
			w.present(t, test.configure, leaf)
			w.set(check.BackendCA, bundle(root))
			if test.by != nil {
				certificate, key, err := test.by.Issue(pki.Leaf{CommonName: "client", Client: true})
				if err != nil {
					t.Fatal(err)
				}
				w.set(check.BackendCert, string(certificate)+string(key))
			}
			if test.alone {
				w.Present = nil
			}
			wantStep(t, finding(t, runNetwork(t, w.Options), "tls"), test.status, "", "", test.detail)
		})
	}
}
