package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"example.com/entra-scim-proxy/tools/modules"
)

// A module is one of those that a binary is linked from.
type module struct {
	version, folder string
	needs           []string // paths of the modules that it imports, sorted
	licenses        []string // SPDX identifiers
}

// linkedModules asks go list for the modules of ./handler, by path, and
// compares them with those in the binary.
func linkedModules(ctx context.Context, root string, info *debug.BuildInfo) (map[string]*module, error) {
	packages, err := modules.List(ctx, root, platform(info), "./handler")
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

// platform is what go list must know to list what the binary is built from.
func platform(info *debug.BuildInfo) (env []string) {
	for _, setting := range info.Settings {
		switch setting.Key {
		case "GOOS", "GOARCH", "CGO_ENABLED":
			env = append(env, setting.Key+"="+setting.Value)
		}
	}
	return env
}
