package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/vault"
)

// emptyTemp makes a directory for temporary files, which must be empty at the
// end of the test.
func emptyTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func TestRunOnce(t *testing.T) {
	binary := handler(t)
	emptyTemp(t)
	t.Setenv("LOG_LEVEL", "leaked") // the proxy would refuse it
	keepLog := filepath.Join(t.TempDir(), "proxy.log")
	var out, errs bytes.Buffer
	args := []string{"run", "--handler", binary, "--once", "--port", "0", "--keep-log", keepLog}
	if code := dispatch(t.Context(), args, stdio{out: &out, err: &errs}); code != 0 || errs.Len() > 0 {
		t.Fatalf("got exit code %d, stderr %s, stdout %s", code, errs.String(), out.String())
	}
	first, rest, _ := strings.Cut(out.String(), "\n")
	if !strings.HasPrefix(first, "What Entra would see without the proxy: GET https://scim.corp.example.com:") || !strings.Contains(first, "x509: ") {
		t.Errorf("first line: %s", first)
	}
	if strings.Contains(rest, "✗") || strings.Contains(rest, "skipped") || strings.Contains(rest, "Secret Token") || !strings.Contains(rest, "\n84 of 84 calls ended as they should") {
		t.Errorf("got %s", rest)
	}
	for _, sent := range []string{`default    Replace active "False"`, `compliant  replace active false`} {
		if !strings.Contains(rest, sent) {
			t.Errorf("no %s in %s", sent, rest)
		}
	}
	if log, err := os.ReadFile(keepLog); err != nil || !bytes.Contains(log, []byte(`"route":"/Users/{id}"`)) {
		t.Errorf("the proxy's log: %v\n%s", err, log)
	}
}

func TestRunWithoutNormalizationFails(t *testing.T) {
	binary := handler(t)
	emptyTemp(t)
	var out, errs bytes.Buffer
	args := []string{"run", "--handler", binary, "--once", "--port", "0", "--normalize", "none"}
	code := dispatch(t.Context(), args, stdio{out: &out, err: &errs})
	if code != 1 || !regexp.MustCompile(`(?m)^lab run: \d+ of 84 calls did not end as they should$`).MatchString(errs.String()) {
		t.Errorf("got exit code %d, stderr %s", code, errs.String())
	}
	if want := "default    ✗ want 200 or 204, got 400: op must be one of add, remove and replace\n"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in %s", want, out.String())
	}
}

func TestServesUntilInterrupted(t *testing.T) {
	serves(t)
}

// Every secret from a vault, which then holds the token to call with.
func TestServesFromAVaultAfterARotation(t *testing.T) {
	newVaultStand(t) // or skip
	output := serves(t, "--vault")
	for _, want := range []string{
		"\n84 of 84 calls ended as they should", "\n  Both tokens and the private CA: keyvault: references to https://contoso-lab.vault.azure.net",
		"\nRotation: both tokens replaced in the vault while 60 calls went through: 0 failed\n",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("no %q in %s", want, output)
		}
	}
}

// serves runs the lab without an end, tries the curl line that it prints, and
// interrupts it. It returns what was printed before that line.
func serves(t *testing.T, flags ...string) (output string) {
	t.Helper()
	binary := handler(t)
	emptyTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	var errs bytes.Buffer
	code := make(chan int, 1)
	go func() { // ends when the context does
		args := append([]string{"run", "--handler", binary, "--port", "0"}, flags...)
		code <- dispatch(ctx, args, stdio{out: writer, err: &errs})
		writer.Close()
	}()
	var curl []string
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		if curl = regexp.MustCompile(`curl -sS -H 'Authorization: (.*)' '(.*)'`).FindStringSubmatch(lines.Text()); curl != nil {
			break
		}
		output += lines.Text() + "\n"
	}
	if curl == nil {
		t.Fatalf("no curl line; exit code %d, stderr %s", <-code, errs.String())
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, curl[2], nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", curl[1])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the curl line gives %d", response.StatusCode)
	}
	cancel()
	if got := <-code; got != 0 || errs.Len() > 0 {
		t.Errorf("got exit code %d, stderr %s", got, errs.String())
	}
	return output
}

func TestDeathOfAChildEndsTheRun(t *testing.T) {
	emptyTemp(t)
	s := newTestStand(t)
	if err := s.startBackend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.death(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	process, err := os.FindProcess(s.children[0].pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.serve(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "the backend (pid ") {
		t.Errorf("got %v", err)
	}
}

func TestBadSettingsAreShown(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script")
	}
	emptyTemp(t)
	handler := filepath.Join(t.TempDir(), "handler")
	script := "#!/bin/sh\necho 'BACKEND_URL: empty' >&2\nexit 78\n"
	if err := os.WriteFile(handler, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := dispatch(t.Context(), []string{"run", "--handler", handler, "--once", "--port", "0"}, stdio{out: &out, err: &errs})
	want := regexp.MustCompile(`^--- last lines of proxy.err\nBACKEND_URL: empty\nlab run: the proxy \(pid \d+\) ended by itself: exit status 78\n$`)
	if code != 1 || !want.MatchString(errs.String()) {
		t.Errorf("got exit code %d, stderr %s", code, errs.String())
	}
}

func TestStandKeepsSecretsToItself(t *testing.T) {
	s := newTestStand(t)
	if s.entraToken == s.backendToken || len(s.entraToken) != 43 {
		t.Errorf("got tokens of %d and %d characters", len(s.entraToken), len(s.backendToken))
	}
	for path, want := range map[string]os.FileMode{s.dir: 0o700, s.path(entraTokenName): 0o600, s.path(backendTokenName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want && runtime.GOOS != "windows" {
			t.Errorf("%s: got mode %o, want %o", filepath.Base(path), got, want)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

// newVaultStand is a stand with a vault, on systems that can have one.
func newVaultStand(t *testing.T) *stand {
	t.Helper()
	s, err := newStand(0, "none", (*stand).openVault)
	if errors.Is(err, vault.ErrSystem) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func newTestStand(t *testing.T) *stand {
	t.Helper()
	s, err := newStand(0, "none", (*stand).writeSecrets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}
