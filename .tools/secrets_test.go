package tools_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A canary looks like a token of GitHub. It is put together here, or this file
// would be a finding, too.
var canary = "ghp_" + strings.Join([]string{"R8mK2vQx", "T5nW9cLz", "H3bY7dJp", "F6gS4aZk", "V1eU"}, "")

// bash runs a script of this folder in another, and returns what it says.
func bash(t *testing.T, folder, script string, args ...string) (string, error) {
	t.Helper()
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "bash", append([]string{path}, args...)...)
	command.Dir = folder
	output, err := command.CombinedOutput()
	return string(output), err
}

// write makes a file of the folder.
func write(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, folder string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", args, err, output)
	}
}

func TestSecretsAreFound(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	for name, test := range map[string]struct {
		change func(t *testing.T, clone string)
		want   string // in what it says; a finding names the file
		leaks  bool
	}{
		"none": {func(*testing.T, string) {}, "gitleaks: nothing in 2 files and 1 commits", false},
		"not committed yet": {func(t *testing.T, clone string) {
			write(t, clone, "notes/mine.txt", canary)
		}, "notes/mine.txt", true},
		"changed": {func(t *testing.T, clone string) {
			write(t, clone, "README.md", canary)
		}, "README.md", true},
		"committed, and taken out again": {func(t *testing.T, clone string) {
			write(t, clone, "gone.txt", canary)
			git(t, clone, "add", "gone.txt")
			git(t, clone, "commit", "-qm", "add")
			git(t, clone, "rm", "-q", "gone.txt")
			git(t, clone, "commit", "-qm", "remove")
		}, "gone.txt", true},
		"gone from the folder only": {func(t *testing.T, clone string) {
			if err := os.Remove(filepath.Join(clone, "README.md")); err != nil {
				t.Fatal(err)
			}
		}, "gitleaks: nothing in 1 files and 1 commits", false},
		"ignored": {func(t *testing.T, clone string) {
			write(t, clone, "local.settings.json", canary)
		}, "gitleaks: nothing in 2 files and 1 commits", false},
		"what .gitleaks.toml lets pass, in another file": {func(t *testing.T, clone string) {
			write(t, clone, "main.go", `entraToken = "canary-of-`+`entra-3f1c7f0e94d1"`)
		}, "main.go", true},
	} {
		t.Run(name, func(t *testing.T) {
			clone := t.TempDir()
			write(t, clone, "README.md", "Nothing here.\n")
			write(t, clone, ".gitignore", "local.settings.json\n")
			git(t, clone, "init", "-q")
			git(t, clone, "add", ".")
			git(t, clone, "commit", "-qm", "first")
			test.change(t, clone)
			says, err := bash(t, clone, "secrets.sh")
			if (err != nil) != test.leaks || !strings.Contains(says, test.want) {
				t.Errorf("error %v, and it says:\n%s", err, says)
			}
			if strings.Contains(says, canary) {
				t.Errorf("it prints the secret:\n%s", says)
			}
		})
	}
}

func TestNoCloneNoSecrets(t *testing.T) {
	says, err := bash(t, t.TempDir(), "secrets.sh")
	if err != nil || says != "skipped: gitleaks: there is no git here, or this is no clone\n" {
		t.Errorf("error %v, and it says %q", err, says)
	}
}
