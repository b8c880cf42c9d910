package scim_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
	gocmp "github.com/google/go-cmp/cmp"
)

// vector is an element of testdata/entra.json.
type vector struct {
	Name, Kind  string
	Input       json.RawMessage
	Expected    json.RawMessage
	InputRaw    string `json:"input_raw"`
	ExpectedRaw string `json:"expected_raw"`
	Passthrough bool
	Config      struct {
		ExtensionSchemas            []string
		BooleanAttributes           []string
		IntegerAttributes           []string
		SimpleMultiValuedAttributes []string
	}
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/entra.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// bodies are the kinds of vectors that are request bodies.
var bodies = map[string]scim.Body{
	"patch-user": scim.Patch, "patch-group": scim.Patch,
	"create-user": scim.Create, "create-group": scim.Create, "put-user": scim.Replace,
}

func all(t testing.TB) scim.Set {
	t.Helper()
	set, err := scim.ParseRules("all")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (v *vector) normalizer(t testing.TB, rules scim.Set, drop ...string) *scim.Normalizer {
	t.Helper()
	n, err := scim.New(scim.Options{
		Rules: rules, Extensions: v.Config.ExtensionSchemas, Booleans: v.Config.BooleanAttributes,
		Integers: v.Config.IntegerAttributes, Multivalued: v.Config.SimpleMultiValuedAttributes, Drop: drop,
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRequestVectors(t *testing.T) {
	seen := 0
	for _, v := range vectors(t) {
		kind, ok := bodies[v.Kind]
		if !ok {
			continue
		}
		seen++
		t.Run(v.Name, func(t *testing.T) {
			n := v.normalizer(t, all(t))
			input := []byte(cmp.Or(v.InputRaw, string(v.Input)))
			output, fired, err := request(n, kind, input)
			var expected struct {
				Refused *struct{ ScimType string }
			}
			if json.Unmarshal(v.Expected, &expected) == nil && expected.Refused != nil {
				if !errors.Is(err, scim.ErrValue) || output != nil || expected.Refused.ScimType != "invalidValue" {
					t.Fatalf("got %s and %v, want a refusal", output, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if v.Passthrough && (fired != 0 || &output[0] != &input[0]) {
				t.Errorf("changed by %s: %s", fired, output)
			}
			if v.ExpectedRaw != "" {
				if string(output) != v.ExpectedRaw {
					t.Errorf("got  %s\nwant %s", output, v.ExpectedRaw)
				}
			} else if diff := gocmp.Diff(decoded(t, v.Expected), decoded(t, output)); diff != "" {
				t.Errorf("-want +got, by %s:\n%s", fired, diff)
			}
			again, fired, err := request(n, kind, output)
			if err != nil || fired != 0 || !bytes.Equal(again, output) {
				t.Errorf("a second time: %s by %s, %v", again, fired, err)
			}
		})
	}
	if seen < 79 {
		t.Errorf("only %d vectors were seen", seen)
	}
}

// decoded keeps the text of numbers.
func decoded(t testing.TB, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
