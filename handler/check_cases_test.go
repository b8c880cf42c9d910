package main

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
)

// golden output of the real binary, one file for each thing that can be wrong;
// an empty profile is "strict".
type goldenCase struct {
	profile   string
	vault     bool
	adjust    func(*stand.Stand, *backend.Options)
	trouble   func(*testing.T, *stand.Stand)
	settings  map[string]string
	arguments []string
}

func (c goldenCase) run(t *testing.T, name string) {
	t.Helper()
	if c.profile == "" {
		c.profile = "strict"
	}
	s := newStand(t, c.profile, c.vault, c.adjust)
	if c.trouble != nil {
		c.trouble(t, s)
	}
	reports(t, name, s, c.settings, c.arguments...)
}

// noRules turns NORMALIZE off.
var noRules = map[string]string{"NORMALIZE": ""}

func TestGoldenProfiles(t *testing.T) {
	for _, system := range profile.All() {
		t.Run(system.Name, func(t *testing.T) { goldenCase{profile: system.Name}.run(t, "profile "+system.Name) })
	}
}

// Each fault of the lab's has its finding, without rules and with all.
func TestGoldenFaults(t *testing.T) {
	for _, fault := range backend.AllFaults() {
		t.Run(string(fault), func(t *testing.T) {
			adjust := func(_ *stand.Stand, o *backend.Options) { o.Faults = []backend.Fault{fault} }
			goldenCase{adjust: adjust, settings: noRules}.run(t, "fault "+string(fault))
			goldenCase{adjust: adjust}.run(t, "fault "+string(fault)+", repaired")
		})
	}
	for name, where := range map[string]func(*stand.Stand) string{
		"relative": func(*stand.Stand) string { return "" },
		"inside":   func(s *stand.Stand) string { return "https://" + s.BackendAddress + "/rest/scim/v2" },
	} {
		adjust := func(s *stand.Stand, o *backend.Options) { o.PublicURL = where(s) }
		goldenCase{adjust: adjust, settings: noRules}.run(t, "locations "+name)
		goldenCase{adjust: adjust}.run(t, "locations "+name+", repaired")
	}
}

func TestGoldenHabits(t *testing.T) {
	for _, habit := range backend.AllHabits() {
		t.Run(string(habit), func(t *testing.T) {
			goldenCase{adjust: func(_ *stand.Stand, o *backend.Options) { o.Habits = []backend.Habit{habit} }}.run(t, "habit "+string(habit))
		})
	}
}

func TestGoldenCertificates(t *testing.T) {
	for _, kind := range backend.AllCertificateKinds() {
		t.Run(string(kind), func(t *testing.T) {
			goldenCase{trouble: func(t *testing.T, s *stand.Stand) {
				if err := s.Certificates.Present(kind); err != nil {
					t.Fatal(err)
				}
			}}.run(t, "certificate "+string(kind))
		})
	}
	goldenCase{settings: map[string]string{"BACKEND_CA": ""}}.run(t, "certificate of a private CA without BACKEND_CA")
}

// harms are what goes wrong on the wire.
var harms = map[string]backend.Harm{
	"slow":                      backend.Slow(time.Minute),
	"reset":                     backend.Reset(),
	"body cut off":              backend.CutBody(10),
	"chunks cut off":            backend.CutChunked(10),
	"body stops":                backend.SlowBody(10, time.Minute),
	"403 with a SCIM Error":     backend.Refuse(403, "no"),
	"403":                       backend.RefuseBare(403),
	"404":                       backend.RefuseBare(404),
	"406":                       backend.RefuseBare(406),
	"500 with a SCIM Error":     backend.Refuse(500, "no"),
	"401 for every token":       backend.Unauthorized(),
	"429":                       backend.TooMany(time.Minute),
	"login page":                backend.LoginPage(),
	"502 with a page":           backend.ErrorPage(502),
	"404 with a page":           backend.ErrorPage(404),
	"redirect to a login page":  backend.Instead("redirect", http.RedirectHandler("https://login.corp.example.com/?back=canary", http.StatusFound)),
	"200 without a body":        backend.Instead("empty", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
	"JSON of another kind":      backend.Instead("other", textual("application/json", `{"users":[]}`)),
	"a list of everybody":       backend.Instead("everybody", textual("application/scim+json", everybody)),
	"JSON that is cut short":    backend.Instead("short", textual("application/scim+json", `{"schemas":["urn:`)),
	"asks for Basic":            backend.Instead("basic", asking("Basic realm=\"canary\"")),
	"asks for Negotiate, NTLM":  backend.Instead("negotiate", asking("Negotiate", "NTLM")),
	"an answer of two mebibyte": backend.Instead("large", textual("application/scim+json", `{"schemas":["`+string(slices.Repeat([]byte("x"), 2<<20))+`"]}`)),
}

const everybody = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":2,"startIndex":1,"itemsPerPage":2,"Resources":[
	{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"person.canary@example.com","active":true},
	{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2","userName":"person.canary.2@example.com","active":true}]}`

func textual(media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, body)
	}
}

func asking(challenges ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Www-Authenticate"] = challenges
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func TestGoldenTroubles(t *testing.T) {
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			goldenCase{trouble: func(_ *testing.T, s *stand.Stand) { s.Trouble.Begin(harm, backend.When{}) }}.run(t, "trouble "+name)
		})
	}
}

func TestGoldenSettings(t *testing.T) {
	for name, settings := range map[string]map[string]string{
		"bad":             {"BACKEND_URL": "scim.corp.example.com", "ENTRA_TOKEN": "token-canary", "BACKEND_TIMEOUT": "1h"},
		"one bad":         {"NORMALIZE": "al"},
		"risky":           {"BACKEND_TIMEOUT": "100s", "LOG_LEVEL": "error"},
		"wrong base path": {"BACKEND_URL": "BASE/wrong"},
		"no base path":    {"BACKEND_URL": "BASE"},
		"unknown name":    {"BACKEND_URL": "https://scim.corp.invalid/scim"},
		"closed port":     {"BACKEND_URL": "https://127.0.0.1:1/scim"},
		"http instead":    {"BACKEND_URL": "http://127.0.0.1:1/scim", "BACKEND_ALLOW_HTTP": "true", "BACKEND_CA": ""},
		"other name":      {"BACKEND_SERVER_NAME": "other.corp.example.com"},
		"no such file":    {"BACKEND_TOKEN": "file:/nonexistent/canary-secret", "ENTRA_TOKEN": "file:/nonexistent/canary-token"},
		"wrong token":     {"BACKEND_TOKEN": "plain:another-token-of-some-length"},
		"one for both":    {"ENTRA_TOKEN": "plain:one-and-the-same-token", "BACKEND_TOKEN": "plain:one-and-the-same-token"},
		"Basic":           {"BACKEND_AUTH": "basic", "BACKEND_USERNAME": "somebody"},
		"key":             {"BACKEND_AUTH": "header:X-Api-Key"},
		"root path":       {"SCIM_PATH": "/"},
		"groups stubbed":  {"GROUPS": "stub"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, "strict", false, nil)
			if settings["BACKEND_URL"] == "BASE" {
				settings["BACKEND_URL"] = "https://" + s.BackendAddress
			}
			if settings["BACKEND_URL"] == "BASE/wrong" {
				settings["BACKEND_URL"] = "https://" + s.BackendAddress + "/rest/scim"
			}
			reports(t, "settings "+name, s, settings)
		})
	}
}

func TestGoldenVault(t *testing.T) {
	for name, trouble := range map[string]func(*stand.Stand){
		"fine":    func(*stand.Stand) {},
		"rotated": func(s *stand.Stand) { s.Vault.Set(stand.EntraTokenName, vault.Secret{Value: stand.NewToken()}) },
		"no role": func(s *stand.Stand) {
			s.Vault.Refuse(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac"})
		},
		"firewall": func(s *stand.Stand) {
			s.Vault.Refuse(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByFirewall"})
		},
		"no list": func(s *stand.Stand) {
			s.Vault.RefuseList(vault.Refusal{Status: 403, Code: "Forbidden", Inner: "ForbiddenByPolicy"})
		},
		"failing":   func(s *stand.Stand) { s.Vault.Refuse(vault.Refusal{Status: 503, Code: "Unavailable"}) },
		"no secret": func(s *stand.Stand) { s.Vault.Delete(stand.BackendTokenName) },
		"disabled": func(s *stand.Stand) {
			s.Vault.Update(stand.EntraTokenName, "", func(v *vault.Secret) { v.Disabled = true })
		},
		"expires soon": func(s *stand.Stand) {
			s.Vault.Set(stand.EntraTokenName, vault.Secret{Value: s.Token(), Expires: time.Now().Add(10*24*time.Hour + time.Hour)})
		},
		"no identity": func(s *stand.Stand) {
			s.Vault.SetIdentity(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusBadRequest) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			goldenCase{vault: true, trouble: func(_ *testing.T, s *stand.Stand) { trouble(s) }}.run(t, "vault "+name)
		})
	}
}

func TestGoldenWriting(t *testing.T) {
	for _, system := range []string{"strict", "lenient", "odj", "luxplugins"} {
		goldenCase{profile: system, arguments: []string{"--write"}}.run(t, "write "+system)
	}
	goldenCase{settings: noRules, arguments: []string{"--write"}}.run(t, "write strict without rules")
}

func TestGoldenJSON(t *testing.T) {
	goldenCase{arguments: []string{"--json"}}.run(t, "json")
	goldenCase{arguments: []string{"--json"}, settings: map[string]string{"BACKEND_CA": ""}}.run(t, "json of a failure")
}
