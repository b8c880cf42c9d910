package scim_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

// A long token for which there is no memory passes as it came, or breaks the
// answer off where that would mean something else.
func TestLongTokenWithoutMemory(t *testing.T) {
	long := `"` + strings.Repeat("a", 512<<10) + `"`
	for _, test := range []struct {
		in  string
		err error
	}{
		{`{"id":"1","displayName":` + long + `,"active":"True"}`, nil},
		{`{"id":"1","members":[{"value":` + long + `}]}`, scim.ErrMembers},
	} {
		for granted := range 2 { // requests, before one is refused
			asked := 0
			reader := scim.NewAnswerReader(strings.NewReader(test.in), scim.Answer{
				Rules: scim.AnswerRules, Reserve: func(int) bool { asked++; return asked <= granted },
			})
			out, err := io.ReadAll(reader)
			if !errors.Is(err, test.err) || err == nil && (string(out) != test.in || !errors.Is(reader.Warning(), scim.ErrMemory)) {
				t.Errorf("%.40s…: %v, %v, %d bytes of %d", test.in, err, reader.Warning(), len(out), len(test.in))
			}
			if asked != granted+1 {
				t.Errorf("%.40s…: asked %d times for memory", test.in, asked)
			}
		}
	}
}
