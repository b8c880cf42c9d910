// Package modules says what the packages of the repository are built from, and
// under which licences.
package modules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// A Package is what is needed of a package that go list describes.
type Package struct {
	ImportPath string
	Imports    []string
	// Module is nil for the standard library.
	Module *struct{ Path, Version, Dir string }
}

// List asks go list, in the folder root, for the packages that its arguments
// name and those that they need. The variables of env replace the
// environment's.
func List(ctx context.Context, root string, env []string, args ...string) ([]Package, error) {
	list := append([]string{"list", "-deps", "-json=ImportPath,Imports,Module"}, args...)
	command := exec.CommandContext(ctx, "go", list...) //nolint:gosec // G204: the arguments are those of programs beside this one
	command.Dir = root
	command.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off"), env...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []Package
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p Package
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

var licenseName = regexp.MustCompile(`(?i)^(licen[sc]e|copying)`)

// recognized is the share of a file, in percent, that must be the text of a
// licence. In the modules of today it is 95 % and more.
const recognized = 75

// Licenses returns the SPDX identifiers of the licences in the folder of a
// module.
func Licenses(folder string) ([]string, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("find licences: %w", err)
	}
	var ids []string
	for _, file := range files {
		if !licenseName.MatchString(file.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("read licence: %w", err)
		}
		coverage := licensecheck.Scan(text)
		if coverage.Percent < recognized {
			return nil, fmt.Errorf("%s in %s is to %.0f %% the text of a known licence; expected %d %%", file.Name(), folder, coverage.Percent, recognized)
		}
		for _, match := range coverage.Match {
			if !slices.Contains(ids, match.ID) {
				ids = append(ids, match.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no licence in %s", folder)
	}
	return ids, nil
}
