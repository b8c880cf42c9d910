package scim_test

import (
	"io"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

// Members that cannot be removed are worth a warning.
func TestExcludedMembersOfWhatIsNoJSON(t *testing.T) {
	for body, want := range map[string]error{
		`{"id":"1","members":[],}`: scim.ErrNotJSON, "members": scim.ErrNotJSON, `{"id":"1","members":[]}`: nil, `{"id":"1"`: nil,
	} {
		for _, rules := range []scim.Set{scim.AnswerRules, scim.AnswerRules &^ (1 << scim.ExcludedMembers)} {
			reader := scim.NewAnswerReader(strings.NewReader(body), scim.Answer{Rules: rules})
			_, err := io.ReadAll(reader)
			if expected := rules.Has(scim.ExcludedMembers) && want != nil; err != nil || (reader.Warning() != nil) != expected {
				t.Errorf("%s, %s: %v, %v", rules, body, reader.Warning(), err)
			}
		}
	}
}
