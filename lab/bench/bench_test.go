package bench

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func needProc(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip(errNoProc)
	}
}

// handler builds the real proxy.
func handler(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "handler")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, "../../handler")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func options(t *testing.T, handler string) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Handler: handler, Self: self, Dir: t.TempDir(), Start: start,
		Calls: 40, Connections: 2, Rounds: 1, Starts: 1,
	}
}

func TestRunMeasuresTheRealBinary(t *testing.T) {
	needProc(t)
	result, err := Run(t.Context(), options(t, handler(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Scenarios) != 2 || len(result.Streams) != 4 || len(result.Starts) != 2 {
		t.Fatalf("got %+v", result)
	}
	for _, scenario := range result.Scenarios {
		for _, m := range scenario.Subjects {
			sample := m.Samples[0]
			if sample.Calls != 40 || sample.PerSecond <= 0 || sample.P50 <= 0 || sample.P99 < sample.P50 || sample.Idle <= 0 || sample.Peak < sample.Idle {
				t.Errorf("%s, %s: got %+v", scenario.Offer, m.Subject, sample)
			}
		}
	}
	// The rival's transport has a TLS configuration of its own, and so no HTTP/2.
	if got := result.Scenarios[0].Subjects[1].Protocol; got != "HTTP/2" {
		t.Errorf("the plain proxy speaks %q", got)
	}
	var out bytes.Buffer
	result.Print(&out)
	for _, want := range []string{
		"\nThe backend offers HTTP/2\n", "\nThe backend offers HTTP/1.1\n",
		"\nCPU per request, proxy / plain, GOGC=400: ", "\nCPU per request, proxy / plain, Go's defaults: ",
		"\nFrom the exec to the first answer\n", "\nA GET of 64 MiB through the proxy\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

// A proxy that lets every call through unchanged is refused by the backend.
func TestRunFailsAtAWrongAnswer(t *testing.T) {
	needProc(t)
	o := options(t, "")
	o.Handler = script(t, `BACKEND_TOKEN=$ENTRA_TOKEN exec `+o.Self+` plain`)
	_, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "wrong answer to ") || !strings.Contains(err.Error(), "status 401") {
		t.Errorf("got %v", err)
	}
}

func TestRunFailsWhenTheProxyEnds(t *testing.T) {
	needProc(t)
	_, err := Run(t.Context(), options(t, script(t, "echo bad settings")))
	if err == nil || !strings.Contains(err.Error(), "ended by itself: bad settings") {
		t.Errorf("got %v", err)
	}
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "handler.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSameGCSettings fails when the proxy's own setting changes.
func TestSameGCSettings(t *testing.T) {
	source, err := os.ReadFile("../../handler/main.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`gcPercent += (\d+)`).FindSubmatch(source)
	if found == nil || "GOGC="+string(found[1]) != gcSetting {
		t.Errorf("handler/main.go has %q, the bench %s", found, gcSetting)
	}
}
