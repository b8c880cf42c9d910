package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Who pastes the settings of a page into a function app gets neither a bad
// setting nor a warning, but for plain HTTP, of which the page warns, too.
func TestPagesSettingsAreGood(t *testing.T) {
	pages, err := filepath.Glob("../docs/backends/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "```") {
			if i%2 == 0 { // not between fences
				continue
			}
			blocks++
			environment := map[string]string{"WEBSITE_SITE_NAME": "contoso-scim", "WEBSITE_HOSTNAME": "contoso-scim.azurewebsites.net"}
			known := settingNames()
			for line := range strings.Lines(strings.TrimSpace(block)) {
				name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
				if _, twice := environment[name]; !ok || twice {
					t.Errorf("%s: line %q", page, line)
				}
				environment[name] = value
				found := false
				for _, setting := range known {
					found = found || setting == name
				}
				if !found {
					t.Errorf("%s: %s is no setting", page, name)
				}
			}
			_, found := parseSettings(environment)
			if environment["BACKEND_ALLOW_HTTP"] == "true" {
				found.warnings = slices.DeleteFunc(found.warnings, func(warning string) bool { return strings.HasPrefix(warning, "BACKEND_URL is http://") })
			}
			if len(found.problems)+len(found.warnings) > 0 {
				t.Errorf("%s: %v %q", page, found.problems, found.warnings)
			}
		}
	}
	if blocks < 10 {
		t.Errorf("only %d blocks", blocks)
	}
}
