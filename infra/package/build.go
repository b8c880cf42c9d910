package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A platform is a target of the Go toolchain.
type platform struct {
	goos, goarch string
}

// azure is the only platform that Flex Consumption runs.
func azure() platform { return platform{"linux", "amd64"} }

// host is the machine this runs on.
func host() platform { return platform{runtime.GOOS, runtime.GOARCH} }

// build compiles ./handler of the repository at root into the file at path.
// Paths, build ids and VCS state stay out of the binary: each differs between
// two clones of the same commit.
func build(ctx context.Context, root, path string, p platform) error {
	out, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("resolve output: %w", err)
	}
	env, err := environment(ctx, root, p)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid=", "-o", out, "./handler")
	cmd.Dir = root
	cmd.Env = env
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build handler for %s/%s: %w\n%s", p.goos, p.goarch, err, output)
	}
	if err := os.Chmod(out, 0o755); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	return nil
}

// environment is the caller's without what could change the binary: every GO*
// and CGO_* variable goes, and GOENV=off shuts out what `go env -w` stored.
// Where modules come from is put back: it cannot change the result, go.sum
// sees to that, but behind a company's module proxy nothing builds without it.
func environment(ctx context.Context, root string, p platform) ([]string, error) {
	kept, err := goEnv(ctx, root, "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY",
		"GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE", "GOVCS",
		"GOAUTH", "GOTOOLCHAIN")
	if err != nil {
		return nil, err
	}
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "GO") && !strings.HasPrefix(variable, "CGO_") {
			env = append(env, variable)
		}
	}
	for name, value := range kept {
		env = append(env, name+"="+value)
	}
	return append(env, "GOENV=off", "GOWORK=off", "CGO_ENABLED=0",
		"GOOS="+p.goos, "GOARCH="+p.goarch, "GOAMD64=v1", "GOARM64=v8.0"), nil
}

// goEnv reads the go command's effective value of each name.
func goEnv(ctx context.Context, dir string, names ...string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"env", "-json"}, names...)...)
	cmd.Dir = dir
	output, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("go env: %w\n%s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go env: %w", err)
	}
	values := make(map[string]string, len(names))
	if err := json.Unmarshal(output, &values); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	return values, nil
}
