package main

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The binary as make handler builds it: a test binary lists other modules.
func TestVersionOfTheBinary(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "handler")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	command := exec.CommandContext(t.Context(), binary, "version")
	command.Env = []string{} // needs no setting
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	listing, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"entra-scim-proxy " + version, runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	for line := range strings.Lines(string(listing)) {
		if fields := strings.Fields(line); fields[0] == "dep" {
			want = append(want, fields[1]+" "+fields[2])
		}
	}
	if len(want) < 10 {
		t.Fatalf("go version -m lists %d modules:\n%s", len(want)-2, listing)
	}
	got := strings.Split(strings.TrimSuffix(string(output), "\n"), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVersionNamesTheCommit(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.0",
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-11-22T13:07:00Z"}, {Key: "vcs.modified", Value: "true"},
		},
		Deps: []*debug.Module{{Path: "example.com/a", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/b", Version: "v1.2.0"}}},
	}
	want := "entra-scim-proxy " + version + "\ngo1.26.0 " + runtime.GOOS + "/" + runtime.GOARCH + "\n" +
		"commit 0123abc 2026-11-22T13:07:00Z, changed since\nexample.com/b v1.2.0\n"
	if diff := cmp.Diff(want, describe(info)); diff != "" {
		t.Error(diff)
	}
}

func TestVersionFailsWithItsOutput(t *testing.T) {
	var stderr strings.Builder
	if status := printVersion(full{}, &stderr); status != exitFailure || !strings.Contains(stderr.String(), "no space") {
		t.Errorf("exit status %d, stderr %q", status, &stderr)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestArgumentsThatAreUnknown(t *testing.T) {
	for _, arguments := range [][]string{{"serve"}, {"-h"}, {"version", "-v"}, {""}} {
		p := launch(t, local(), arguments...)
		if status := p.exit(t); status != exitUsage || !strings.Contains(p.errors(), "handler version") || len(p.output()) != 0 {
			t.Errorf("%q: exit status %d, stderr %q", arguments, status, p.errors())
		}
	}
}
