package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sources plants a repository small enough to build in a moment.
func sources(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":              "module example.com/tiny\n\ngo 1.26.0\n",
		"handler/main.go":     "package main\n\nfunc main() { print(\"tiny\") }\n",
		"handler/VERSION":     "0.0.1\n",
		"host.json":           `{"customHandler": {"description": {"defaultExecutablePath": "handler"}}}`,
		"function.json":       "{}\n",
		settings + ".example": "example\n",
	} {
		plant(t, filepath.Join(root, filepath.FromSlash(name)), content)
	}
	return root
}

// TestLocalSettingsNeverShip plants settings wherever a person or `func` might
// leave them: they hold tokens.
func TestLocalSettingsNeverShip(t *testing.T) {
	root := sources(t)
	for _, dir := range []string{"", "handler", "dist", "dist/scim", "build/local"} {
		plant(t, filepath.Join(root, filepath.FromSlash(dir), settings), "canary-token")
	}
	if err := run(t.Context(), io.Discard, root, ""); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-rwxr-xr-x handler",
		"-rw-r--r-- host.json",
		"-rw-r--r-- scim/function.json",
	}
	dist, archive := filepath.Join(root, "dist"), filepath.Join(root, "dist.zip")
	if diff := cmp.Diff(want, files(t, dist)); diff != "" {
		t.Errorf("dist (-want +got):\n%s", diff)
	}

	// Between assembly and packing, too.
	plant(t, filepath.Join(dist, settings), "canary-token")
	if err := writeZip(archive, dist); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, archived(t, archive)); diff != "" {
		t.Errorf("dist.zip (-want +got):\n%s", diff)
	}
}

func TestStage(t *testing.T) {
	root := sources(t)
	dir := filepath.Join(root, "build", "local")
	var report strings.Builder
	if err := run(t.Context(), &report, root, dir); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, filepath.Join(dir, settings))); got != "example\n" {
		t.Errorf("settings on first use: %q, want the example's", got)
	}
	if !strings.Contains(report.String(), "created") {
		t.Errorf("first use is not reported: %q", report.String())
	}
	info, err := os.Stat(filepath.Join(dir, settings))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("settings have mode %v, want 0600: they hold tokens", info.Mode())
	}

	plant(t, filepath.Join(dir, settings), "mine\n")
	if err := run(t.Context(), io.Discard, root, dir); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, filepath.Join(dir, settings))); got != "mine\n" {
		t.Errorf("settings on second use: %q, want them kept", got)
	}

	handler := filepath.Join(dir, "handler"+executableSuffix(host()))
	output, err := exec.CommandContext(t.Context(), handler).CombinedOutput()
	if err != nil || string(output) != "tiny" {
		t.Errorf("staged handler: %q, %v, want it to run here", output, err)
	}
	read(t, filepath.Join(dir, "scim", "function.json"))
}

func TestRetarget(t *testing.T) {
	source := read(t, filepath.Join("..", "..", "host.json"))
	same, err := retarget(source, platform{"darwin", "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(source), string(same)); diff != "" {
		t.Errorf("darwin (-want +got):\n%s", diff)
	}
	windows, err := retarget(source, platform{"windows", "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(string(source), `"handler"`, `"handler.exe"`, 1)
	if diff := cmp.Diff(want, string(windows)); diff != "" {
		t.Errorf("windows (-want +got):\n%s", diff)
	}
	if _, err := retarget([]byte(`{}`), host()); err == nil {
		t.Error("no error for a host.json without an executable")
	}
}
