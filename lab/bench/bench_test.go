package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func needProc(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip(errNoProc)
	}
}

// realHandler is the path of the real proxy's binary.
func realHandler(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
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
	result, err := Run(t.Context(), options(t, realHandler(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Scenarios) != 2 || len(result.Rules) != 2 || len(result.Streams) != 4 || len(result.Starts) != 2 {
		t.Fatalf("got %+v", result)
	}
	for _, scenario := range slices.Concat(result.Scenarios, result.Rules) {
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
		"\nA round of provisioning, no rules; the backend offers HTTP/2\n", "\nA PATCH with four operations in Entra's default dialect; the backend offers HTTP/1.1\n",
		"\nCPU per request, NORMALIZE=all / NORMALIZE=none: ",
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

// A proxy that was told to repair PATCHes and does not is noticed, and so is one
// that does without being told.
func TestRulesAreAsTold(t *testing.T) {
	needProc(t)
	binary := realHandler(t)
	for _, told := range []string{"none", "all"} {
		o := options(t, script(t, "NORMALIZE="+told+" PUBLIC_URL="+publicURL+" exec "+binary))
		o.RulesOnly = true
		_, err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "measure the rules") || !strings.Contains(err.Error(), "status 404 instead of 200") {
			t.Errorf("%s: got %v", told, err)
		}
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
