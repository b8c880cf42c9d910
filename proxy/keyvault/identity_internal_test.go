package keyvault

import (
	"context"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"
)

const (
	client = "11111111-2222-3333-4444-555555555555"
	object = "66666666-7777-8888-9999-000000000000"
)

// jwt is an access token with the claims given, which nobody signed.
func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".canary"
}

func TestWhomATokenNames(t *testing.T) {
	for claims, want := range map[string]string{
		`{"appid":"` + client + `","oid":"` + object + `","idtyp":"app"}`: "client id " + client + ", object id " + object,
		`{"azp":"` + client + `","oid":"` + object + `"}`:                 "client id " + client + ", object id " + object,
		`{"appid":"` + client + `","azp":"` + object + `"}`:               "client id " + client,
		`{"appid":"` + client + `"}`:                                      "client id " + client,
		`{"oid":"` + object + `"}`:                                        "object id " + object,
		// Somebody who is logged in to a developer's machine.
		`{"appid":"` + client + `","oid":"` + object + `","scp":"user_impersonation","upn":"ada@contoso.com"}`: "a person, client id " + client,
		`{"appid":"` + client + `","oid":"` + object + `","idtyp":"user"}`:                                     "a person, client id " + client,
		// What is no id is not shown.
		`{"appid":"canary","oid":"ada@contoso.com"}`: "", `{"appid":"` + client + ` and more"}`: "", `{"appid":"` + strings.Repeat("-", 36) + `"}`: "",
		`{"appid":7}`: "", `[]`: "", `{`: "", ``: "", `{}`: "",
	} {
		if got := whom(jwt(claims)); got != want {
			t.Errorf("%s: %q, want %q", claims, got, want)
		}
	}
	for _, opaque := range []string{"", "canary", "a.b", "a.b.c", "..", jwt(`{"oid":"`+object+`"}`) + ".x"} {
		if got := whom(opaque); got != "" {
			t.Errorf("%q: %q, want nothing", opaque, got)
		}
	}
}

var named = regexp.MustCompile(`^(a person)?((, )?(client|object) id [0-9a-fA-F-]{36}){0,2}$`)

// Whatever a token holds, nothing but ids leaves.
func FuzzWhom(f *testing.F) {
	for _, seed := range []string{
		`{"appid":"` + client + `","oid":"` + object + `"}`, `{"azp":"` + client + `","scp":"x"}`, `{"idtyp":"user"}`, `{"oid":null}`, `{"appid":"canary"}`,
	} {
		f.Add(jwt(seed))
	}
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if got := whom(token); !named.MatchString(got) {
			t.Errorf("%q", got)
		}
	})
}

// What a tool of the default chain says when it is stopped tells nothing.
func TestIdentityThatWasNotWaitedFor(t *testing.T) {
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for ctx, want := range map[context.Context]string{stopped: "did not answer in time", t.Context(): "no identity is available here"} {
		if got := explainIdentity(ctx, errors.New("signal: killed")).Error(); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Each cloud has a scope of its own.
func TestScopeOf(t *testing.T) {
	for vault, want := range map[string]string{
		"https://contoso.vault.azure.net":         "https://vault.azure.net/.default",
		"https://contoso.vault.azure.net/":        "https://vault.azure.net/.default",
		"https://CONTOSO.Vault.azure.CN":          "https://vault.azure.cn/.default",
		"https://contoso.vault.usgovcloudapi.net": "https://vault.usgovcloudapi.net/.default",
		"https://localhost:8443":                  "https://vault.azure.net/.default",
		"https://vault.azure.net":                 "https://vault.azure.net/.default",
		"https://127.0.0.1":                       "https://vault.azure.net/.default",
		"https://vault.contoso.example.com":       "https://vault.azure.net/.default",
		":":                                       "https://vault.azure.net/.default",
	} {
		if got := scopeOf(vault); got != want {
			t.Errorf("%s: %s, want %s", vault, got, want)
		}
	}
}
