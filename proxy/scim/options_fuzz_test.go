package scim_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

// A name of an operator's is taken or refused whatever its case, and what is
// taken never spoils a body.
func FuzzOptionNames(f *testing.F) {
	for _, seed := range []string{
		"title", "name.formatted", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "urn:ietf:params:scim:schemas:extension:acme:2.0:User", "emails[type eq \"work\"]", "a..b", "schemas", "emails.value", "a.", "$ref", "urn:", "",
	} {
		f.Add(seed, `{"title":"x","name":{"formatted":"y","familyName":"z"},"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`)
	}
	f.Fuzz(func(t *testing.T, name, body string) {
		for _, of := range []func(string) scim.Options{
			func(name string) scim.Options { return scim.Options{Drop: []string{name}} },
			func(name string) scim.Options {
				return scim.Options{Booleans: []string{name}, Rules: 1 << scim.CustomBoolean}
			},
			func(name string) scim.Options {
				return scim.Options{Multivalued: []string{name}, Rules: 1 << scim.CustomMultivalued}
			},
			func(name string) scim.Options {
				return scim.Options{Extensions: []string{name}, Rules: 1 << scim.ExtensionDot}
			},
		} {
			normalizer, err := scim.New(of(name))
			lower, upper := strings.ToLower(name), strings.ToUpper(name)
			if strings.ToLower(upper) == lower && isASCII(name) {
				_, lowerErr := scim.New(of(lower))
				if _, upperErr := scim.New(of(upper)); (lowerErr == nil) != (err == nil) || (upperErr == nil) != (err == nil) {
					t.Errorf("%q: %v, in lower case %v, in upper case %v", name, err, lowerErr, upperErr)
				}
			}
			if err != nil {
				if bad, ok := errors.AsType[*scim.OptionError](err); !ok || strings.ContainsAny(bad.Error(), "\r\n") {
					t.Errorf("%q: %v", name, err)
				}
				continue
			}
			outcome, err := normalizer.Request(scim.Create, scim.User, []byte(body))
			if err == nil && json.Valid([]byte(body)) && !outcome.Empty && !json.Valid(outcome.Body) {
				t.Errorf("%q makes %q of %q", name, outcome.Body, body)
			}
		}
	})
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' })
}

// A query excludes members only if it says so, in whatever order and encoding.
func FuzzExcludesMembers(f *testing.F) {
	for _, seed := range []string{
		"excludedAttributes=members", "excludedAttributes=id,%20Members", "a=b&excludedAttributes=urn:ietf:params:scim:schemas:core:2.0:Group:members", "excludedattributes=members", "attributes=members", "excludedAttributes=members;x", "excludedAttributes=member%73", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got := scim.ExcludesMembers(query)
		values, err := url.ParseQuery(query)
		if err != nil {
			if got {
				t.Errorf("%q does not parse, and excludes members", query)
			}
			return
		}
		said := strings.ToLower(strings.Join(values["excludedAttributes"], ","))
		if got && !strings.Contains(strings.ReplaceAll(said, "\u017f", "s"), "members") {
			t.Errorf("%q excludes members", query)
		}
		if again := scim.ExcludesMembers(values.Encode()); again != got {
			t.Errorf("%q: %v, and encoded anew %v", query, got, again)
		}
		values.Add("excludedAttributes", "id, members")
		if !scim.ExcludesMembers(values.Encode()) {
			t.Errorf("%q does not exclude members", values.Encode())
		}
	})
}
