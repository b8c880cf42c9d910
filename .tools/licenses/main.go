// Command licenses fails if anything that the module is built from has a
// licence that nobody here agreed to.
//
//	go run -C .tools ./licenses
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"

	"example.com/entra-scim-proxy/tools/modules"
)

// What ships asks nothing but that its notices are kept. What only the lab and
// the tests use is not passed on, so a licence may ask for its source as well
// (hashicorp's), or be that of Unicode's tables.
var (
	permissive = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}
	unshipped  = append([]string{"MPL-2.0", "Unicode-DFS-2016"}, permissive...)
)

// platform is the one that make package builds for.
var platform = []string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "..", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// run checks the modules of the repository at root, and returns all that is
// wrong as one error.
func run(ctx context.Context, root string, out io.Writer) error {
	linked, err := folders(ctx, root, platform, "./handler")
	if err != nil {
		return err
	}
	rest, err := folders(ctx, root, nil, "-test", "./...")
	if err != nil {
		return err
	}
	for module := range linked {
		delete(rest, module)
	}
	err = errors.Join(check(linked, permissive), check(rest, unshipped))
	if err == nil {
		fmt.Fprintf(out, "licences: the %d modules in the package and the %d more of lab and tests have one that will do\n", len(linked), len(rest))
	}
	return err
}

// folders are those of the modules that go list names, by path and version.
func folders(ctx context.Context, root string, env []string, args ...string) (map[string]string, error) {
	packages, err := modules.List(ctx, root, env, args...)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, p := range packages {
		if p.Module != nil {
			found[p.Module.Path+"@"+p.Module.Version] = p.Module.Dir
		}
	}
	return found, nil
}

// check wants every licence of every module to be one of those allowed.
func check(folders map[string]string, allowed []string) error {
	var wrong []error
	for _, module := range slices.Sorted(maps.Keys(folders)) {
		ids, err := modules.Licenses(folders[module])
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", module, err))
		}
		for _, id := range ids {
			if !slices.Contains(allowed, id) {
				wrong = append(wrong, fmt.Errorf("%s: %s is none of %q", module, id, allowed))
			}
		}
	}
	return errors.Join(wrong...)
}
