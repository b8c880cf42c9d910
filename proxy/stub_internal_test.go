package proxy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/entra-scim-proxy/proxy/scim"
)

// An id stands for one text, and a text has one id.
func FuzzGroupID(f *testing.F) {
	for _, seed := range []string{"", "Staff", "x-U3RhZmY", "n-U3RhZmY", "x-U3RhZmZ", "x-U3Rh\nZmY", "x-_w", "\xff", strings.Repeat("é", 513)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if group, ok := groupOf(text); ok {
			sent := scim.GroupIdentity{ExternalID: group.ExternalID}
			if sent.ExternalID == "" {
				sent.DisplayName = group.DisplayName
			}
			if groupID(sent) != text || !plainSegment(text) {
				t.Errorf("%q is an id of %+v, but not its id", text, sent)
			}
		}
		usable := text != "" && len(text) <= maxGroupText && utf8.ValidString(text)
		for _, sent := range []scim.GroupIdentity{{ExternalID: text, DisplayName: "x"}, {DisplayName: text}} {
			if sent.ExternalID == "" && sent.DisplayName == "x" {
				continue
			}
			group, ok := groupOf(groupID(sent))
			if ok != usable || ok && (group.ExternalID != sent.ExternalID || group.DisplayName != text) {
				t.Errorf("%+v comes back as %+v, %v", sent, group, ok)
			}
		}
	})
}
