package scim_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

func TestReadGroup(t *testing.T) {
	for body, want := range map[string]scim.GroupIdentity{
		`{"externalId":"1","displayName":"Staff"}`:               {ExternalID: "1", DisplayName: "Staff"},
		` {"DISPLAYNAME" : "St\u0061ff" , "ExternalID":null} `:   {DisplayName: "Staff"},
		`{"externalId":1,"displayName":["Staff"]}`:               {},
		`{"members":[{"externalId":"1","displayName":"Inner"}]}`: {},
		`{}`: {}, `[]`: {}, `"externalId"`: {}, `null`: {},
	} {
		if got, err := scim.ReadGroup([]byte(body)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{
		``, `{`, `{"externalId":"1"}x`, `{"externalId":"1","externalId":"2"}`, `{"externalId":"1","ExternalID":"2"}`,
		`{"displayName":"` + "\xff" + `"}`, strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		if got, err := scim.ReadGroup([]byte(body)); !errors.Is(err, scim.ErrSyntax) {
			t.Errorf("%.20q: %+v, %v", body, got, err)
		}
	}
}

func FuzzReadGroup(f *testing.F) {
	f.Add([]byte(`{"externalId":"1","displayName":"Staff"}`))
	f.Add([]byte(`{"DisplayName":"\ud83d\ude00","displayname":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := scim.ReadGroup(body)
		if err != nil {
			if got != (scim.GroupIdentity{}) || !errors.Is(err, scim.ErrSyntax) {
				t.Errorf("%+v with %v", got, err)
			}
			return
		}
		var members map[string]any
		if json.Unmarshal(body, &members) != nil {
			if got != (scim.GroupIdentity{}) {
				t.Errorf("%+v of what is no object", got)
			}
			return
		}
		for name, value := range members {
			text, _ := value.(string)
			if asciiFold(name, "externalId") && text != got.ExternalID || asciiFold(name, "displayName") && text != got.DisplayName {
				t.Errorf("%+v misses %q: %q", got, name, text)
			}
		}
	})
}

// asciiFold compares names without the case of ASCII letters.
func asciiFold(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}
