package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
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
	dir := app(t)
	emptyTemp(t)
	t.Setenv("LOG_LEVEL", "leaked") // the proxy would refuse it
	keepLog := filepath.Join(t.TempDir(), "proxy.log")
	var out, errs bytes.Buffer
	args := []string{"run", "--app", dir, "--once", "--port", "0", "--keep-log", keepLog}
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

// The ways in which the proxy reaches a backend, drawn as they are.
func TestPictures(t *testing.T) {
	for name, way := range map[string]string{
		"strict": " --- TLS, private CA ---> ", "guard": " --- TLS, public CA ---> ", "kantega": " --- plain HTTP ---> ",
	} {
		system, _ := profile.ByName(name)
		s, err := stand.New(t.Context(), stand.Options{App: app(t), Profile: system})
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		writePicture(&got, s)
		origin, backend := strings.TrimPrefix(s.Origin, "http://"), s.BackendAddress
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		want := regexp.MustCompile(`^\n  Entra simulator +--- http ---> +Functions host, proxy +` + strings.TrimLeft(way, " ") +
			` +SCIM backend\n  this process +Entra's token +` + origin + `/scim +backend's token +scim\.corp\.example\.com \(` + backend + `\)\n$`)
		if !want.MatchString(got.String()) {
			t.Errorf("%s: got %s", name, got.String())
		}
	}
}

func TestRunWithoutNormalizationFails(t *testing.T) {
	dir := app(t)
	emptyTemp(t)
	var out, errs bytes.Buffer
	args := []string{"run", "--app", dir, "--once", "--port", "0", "--normalize", "none"}
	code := dispatch(t.Context(), args, stdio{out: &out, err: &errs})
	if code != 1 || !regexp.MustCompile(`(?m)^lab run: \d+ of 84 calls did not end as they should$`).MatchString(errs.String()) {
		t.Errorf("got exit code %d, stderr %s", code, errs.String())
	}
	if want := "default    ✗ want 200 or 204, got 400: op must be one of add, remove and replace\n"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in %s", want, out.String())
	}
}

// Systems that do what Entra expects, with the proxy in front, pass the same
// calls; for one that does not, a line says why.
func TestRunAgainstEverySystem(t *testing.T) {
	emptyTemp(t)
	dir := app(t)
	for _, p := range profile.All() {
		var out, errs bytes.Buffer
		code := dispatch(t.Context(), []string{"run", "--app", dir, "--once", "--port", "0", "--profile", p.Name}, stdio{out: &out, err: &errs})
		if p.Otherwise == "" {
			if code != 0 {
				t.Errorf("%s: exit status %d: %s%s", p.Name, code, &out, &errs)
			}
			continue
		}
		if code != 1 || !strings.Contains(out.String(), "Of "+p.Name+" some cannot end as they should: "+p.Otherwise) {
			t.Errorf("%s: exit status %d: %s%s", p.Name, code, &out, &errs)
		}
	}
}

func TestServesUntilInterrupted(t *testing.T) {
	if output := serves(t); strings.Contains(output, "Rotation:") {
		t.Errorf("nobody asked for a rotation: %s", output)
	}
}

// The vault holds, after a rotation, the token to call with.
func TestServesFromAVaultAfterARotation(t *testing.T) {
	needVault(t)
	output := serves(t, "--vault")
	for _, want := range []string{
		"\n84 of 84 calls ended as they should", "\n  The secrets are keyvault: references to https://contoso-lab.vault.azure.net",
		"\nRotation: both tokens replaced in the vault while 60 calls went through: 0 failed\n",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("no %q in %s", want, output)
		}
	}
}

// serves runs the lab without an end, opens the window, tries the curl lines that
// it prints, and interrupts it. It returns what was printed before those lines.
func serves(t *testing.T, flags ...string) (output string) {
	t.Helper()
	dir := app(t)
	emptyTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	var errs bytes.Buffer
	code := make(chan int, 1)
	go func() { // ends when the context does
		args := append([]string{"run", "--app", dir, "--port", "0"}, flags...)
		code <- dispatch(ctx, args, stdio{out: writer, err: &errs})
		writer.Close()
	}()
	var curls [][]string
	var page []string
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		if found := regexp.MustCompile(`buttons to make some: (http://127\.0\.0\.1:\d+/)$`).FindStringSubmatch(lines.Text()); found != nil {
			page = found
		}
		if curl := regexp.MustCompile(`curl -sS -H 'Authorization: (.*)' '(.*)'`).FindStringSubmatch(lines.Text()); curl != nil {
			if curls = append(curls, curl); len(curls) == 2 {
				break
			}
			continue
		}
		output += lines.Text() + "\n"
	}
	if len(curls) < 2 || page == nil {
		t.Fatalf("no curl lines, or no window; exit code %d, stderr %s", <-code, errs.String())
	}
	get := func(url, authorization string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s gives %d", url, response.StatusCode)
		}
	}
	for _, curl := range curls {
		get(curl[2], curl[1])
	}
	get(page[1], "")
	cancel()
	if got := <-code; got != 0 || errs.Len() > 0 {
		t.Errorf("got exit code %d, stderr %s", got, errs.String())
	}
	return output
}

// A proxy that does not start says why.
func TestBadSettingsAreShown(t *testing.T) {
	dir := app(t)
	emptyTemp(t)
	var out, errs bytes.Buffer
	code := dispatch(t.Context(), []string{"run", "--app", dir, "--once", "--port", "0", "--normalize", "dance"}, stdio{out: &out, err: &errs})
	if code != 1 || !strings.Contains(errs.String(), `NORMALIZE`) || !strings.Contains(errs.String(), `"dance"`) {
		t.Errorf("got exit code %d, stderr %s", code, errs.String())
	}
}
