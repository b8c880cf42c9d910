//go:build cgo

package infra_test

import (
	"os"
	"strings"
	"testing"
)

// The page has a row, or a place in one, for each parameter.
func TestParametersAreExplained(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n## Parameters\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("README.md has no section on parameters")
	}
	for name := range readBicep(t, "bicep/main.bicep").parameters {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("README.md does not explain the parameter %s", name)
		}
	}
}
