package main

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
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// A module is one of those that a binary is linked from.
type module struct {
	version, folder string
	needs           []string // paths of the modules that it imports, sorted
	licenses        []string // SPDX identifiers
}

// goPackage is what is needed of a package that go list describes.
type goPackage struct {
	ImportPath string
	Imports    []string
	Module     *struct{ Path, Version, Dir string }
}

// linkedModules asks go list for the modules of ./handler, by path, and
// compares them with those in the binary.
func linkedModules(ctx context.Context, root string, info *debug.BuildInfo) (map[string]*module, error) {
	packages, err := listPackages(ctx, root, info)
	if err != nil {
		return nil, err
	}
	owner := map[string]string{} // module path by import path
	linked := map[string]*module{}
	for _, p := range packages {
		if p.Module != nil {
			owner[p.ImportPath] = p.Module.Path
			linked[p.Module.Path] = &module{version: p.Module.Version, folder: p.Module.Dir}
		}
	}
	for _, p := range packages {
		if p.Module == nil {
			continue
		}
		from := linked[p.Module.Path]
		for _, path := range p.Imports {
			if to := owner[path]; to != "" && to != p.Module.Path && !slices.Contains(from.needs, to) {
				from.needs = append(from.needs, to)
			}
		}
		slices.Sort(from.needs)
	}
	want := []string{info.Main.Path}
	for _, dep := range info.Deps {
		if dep.Replace != nil || linked[dep.Path] == nil || linked[dep.Path].version != dep.Version {
			return nil, fmt.Errorf("%s %s is in the binary, but not what ./handler needs now; run make package", dep.Path, dep.Version)
		}
		want = append(want, dep.Path)
	}
	for path := range linked {
		if !slices.Contains(want, path) {
			return nil, fmt.Errorf("%s is not in the binary, but ./handler needs it now; run make package", path)
		}
	}
	return linked, nil
}

// listPackages lists what ./handler is built from, for the platform of the
// binary.
func listPackages(ctx context.Context, root string, info *debug.BuildInfo) ([]goPackage, error) {
	command := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Imports,Module", "./handler")
	command.Dir = root
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	for _, setting := range info.Settings {
		switch setting.Key {
		case "GOOS", "GOARCH", "CGO_ENABLED":
			command.Env = append(command.Env, setting.Key+"="+setting.Value)
		}
	}
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p goPackage
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

// licenses returns the SPDX identifiers of the licences in the folder of a
// module.
func licenses(folder string) ([]string, error) {
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
