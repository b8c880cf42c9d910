package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
)

// TestMain makes the test binary stand in for the two programs that the lab
// starts: itself, and a proxy of the plainest kind.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "backend":
		main()
	case os.Getenv("BACKEND_SERVER_NAME") != "":
		fmt.Fprintln(os.Stderr, plainProxy())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// plainProxy swaps the credential and the path, and logs the environment it
// got.
func plainProxy() error {
	for _, variable := range os.Environ() {
		fmt.Println(variable)
	}
	target, err := url.Parse(os.Getenv("BACKEND_URL"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secret("BACKEND_CA"))
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: os.Getenv("BACKEND_SERVER_NAME")}},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/scim")
			r.SetURL(target)
			r.Out.Header.Set("Authorization", "Bearer "+string(secret("BACKEND_TOKEN")))
		},
	}
	want := "Bearer " + string(secret("ENTRA_TOKEN"))
	return http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/":
		case r.Header.Get("Authorization") != want:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
}

func secret(setting string) []byte {
	content, err := os.ReadFile(strings.TrimPrefix(os.Getenv(setting), "file:"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return content
}

func TestDispatch(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "usage: go run ./lab SUBCOMMAND"},
		{[]string{"dance"}, 2, `lab: unknown subcommand "dance"`},
		{[]string{"run"}, 2, "lab run: --handler is required"},
		{[]string{"run", "--color"}, 2, "flag provided but not defined"},
		{[]string{"run", "--handler", "x", "y"}, 2, `lab run: unexpected argument "y"`},
		{[]string{"run", "-h"}, 0, "-keep-log"},
		{[]string{"backend"}, 1, "lab backend: read the configuration from standard input: EOF\n"},
		{[]string{"bench"}, 2, "lab bench: --handler is required"},
		{[]string{"bench", "--handler", "x", "--calls", "0"}, 2, "lab bench: --calls, --connections and --rounds are at least 1"},
		{[]string{"plain"}, 1, "lab plain: "},
		{[]string{"benchbackend"}, 1, "lab benchbackend: read the configuration: EOF\n"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var out, errs bytes.Buffer
			code := dispatch(t.Context(), test.args, stdio{in: strings.NewReader(""), out: &out, err: &errs})
			if code != test.code || !strings.Contains(errs.String(), test.want) || out.Len() > 0 {
				t.Errorf("got exit code %d, stderr %q, stdout %q", code, errs.String(), out.String())
			}
		})
	}
}
