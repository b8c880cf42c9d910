package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compile builds the packager, so that a test can give it an environment, a
// umask and a working directory of its own; and without the race detector,
// which makes deflating a binary ten times slower.
func compile(t *testing.T) string {
	t.Helper()
	packager := filepath.Join(t.TempDir(), "package"+executableSuffix(host()))
	output, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", packager, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build the packager: %v\n%s", err, output)
	}
	return packager
}

// command runs the packager in dir the way a shell with that umask would.
func command(t *testing.T, packager, dir, umask string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `umask "$1" && exec "$0"`, packager, umask)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("package in %q: %v\n%s", dir, err, output)
	}
	t.Logf("%s", output)
}

// copyRepository copies what the package is made from out of the working tree,
// committed or not, so that the test speaks of the files as they are now.
func copyRepository(t *testing.T, dir string) {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, name := range []string{"go.mod", "go.sum", "host.json", "function.json"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		plant(t, filepath.Join(dir, name), string(content))
	}
	for _, name := range []string{"handler", "proxy"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
}

// plant writes a file, its folders made on the way.
func plant(t *testing.T, path, content string) {
	t.Helper()
	if err := write(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReproducible packages two copies of this repository as two people would:
// at other paths, under other umasks, time zones and Go settings. Compiled
// packages may come from the shared build cache, as -trimpath keeps paths out
// of its keys; linking and packing happen twice.
func TestReproducible(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh to set a umask with")
	}
	one := filepath.Join(t.TempDir(), "a")
	two := filepath.Join(t.TempDir(), "another", "deeper path")
	copyRepository(t, one)
	copyRepository(t, two)

	packager := compile(t)
	command(t, packager, one, "022", "TZ=UTC")
	command(t, packager, two, "077", "TZ=Pacific/Kiritimati", "GOAMD64=v3", "GOARCH=arm64",
		"GOFLAGS=-tags=other", "GOEXPERIMENT=nogreenteagc", "CGO_ENABLED=1")

	first := read(t, filepath.Join(one, "dist.zip"))
	if !bytes.Equal(first, read(t, filepath.Join(two, "dist.zip"))) {
		t.Error("dist.zip differs between the two copies")
	}
	want := []string{
		"-rwxr-xr-x handler",
		"-rw-r--r-- host.json",
		"-rw-r--r-- scim/function.json",
	}
	for _, dir := range []string{one, two} {
		if diff := cmp.Diff(want, archived(t, filepath.Join(dir, "dist.zip"))); diff != "" {
			t.Errorf("dist.zip (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, files(t, filepath.Join(dir, "dist"))); diff != "" {
			t.Errorf("dist (-want +got):\n%s", diff)
		}
	}
	checkBinary(t, unpack(t, first, "handler"), filepath.Dir(one))
}

// checkBinary verifies that the handler needs nothing of the machine it runs
// on and says nothing of the machine it was built on.
func checkBinary(t *testing.T, binary []byte, builtIn string) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if f.Class != elf.ELFCLASS64 || f.Machine != elf.EM_X86_64 {
		t.Errorf("handler is %v %v, want 64-bit x86-64", f.Class, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("handler has a %v segment, want a static binary", p.Type)
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, s := range info.Settings {
		got[s.Key] = s.Value
	}
	want := map[string]string{
		"-buildmode": "exe", "-compiler": "gc", "-trimpath": "true",
		"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": "amd64", "GOAMD64": "v1",
	}
	delete(got, "DefaultGODEBUG") // follows go.mod's go line
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("build settings (-want +got):\n%s", diff)
	}
	if bytes.Contains(binary, []byte(builtIn)) {
		t.Errorf("handler holds the path it was built in, %q", builtIn)
	}
}

func TestContentsSorted(t *testing.T) {
	if !slices.IsSortedFunc(contents(), func(a, b file) int { return strings.Compare(a.name, b.name) }) {
		t.Error("contents() is not sorted by name")
	}
}
