package modules_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/tools/modules"
)

func TestLicenses(t *testing.T) {
	apache, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ file, text, want string }{
		"none":       {"README.md", string(apache), "no licence in"},
		"unknown":    {"LICENSE", "You may use this on Tuesdays.", "0 % the text of a known licence"},
		"mixed case": {"License.txt", string(apache), ""},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, test.file), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			ids, err := modules.Licenses(folder)
			if test.want == "" {
				if err != nil || !slices.Equal(ids, []string{"Apache-2.0"}) {
					t.Errorf("%q, error %v", ids, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}
