package tools_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// One target holds for any input, the other fails on its seed's neighbours.
const targets = `package reader

import "testing"

func FuzzHolds(f *testing.F) {
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, b []byte) {})
}

func FuzzLength(f *testing.F) {
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 1 {
			t.Fatal("not one byte")
		}
	})
}
`

func TestFuzz(t *testing.T) {
	module := t.TempDir()
	write(t, module, "go.mod", "module example.com/canary\n\ngo 1.26\n")
	write(t, module, "main.go", "package main\n\nfunc main() {}\n")
	write(t, module, "reader/reader_test.go", targets)

	says, err := bash(t, module, "fuzz.sh", "100x", "FuzzHolds")
	if err != nil || !strings.Contains(says, "./reader FuzzHolds: ") || !strings.HasSuffix(says, "fuzz targets: 1, failures: 0\n") {
		t.Errorf("one that holds: error %v, and it says:\n%s", err, says)
	}

	says, err = bash(t, module, "fuzz.sh", "100000x")
	failed := regexp.MustCompile(`(?m)^failed: \./reader FuzzLength, input: (\./reader/testdata/fuzz/FuzzLength/[0-9a-f]+)$`).FindStringSubmatch(says)
	if err == nil || failed == nil || !strings.Contains(says, "./reader FuzzHolds: ") {
		t.Fatalf("all: error %v, and it says:\n%s", err, says)
	}
	if _, err := os.Stat(filepath.Join(module, failed[1])); err != nil {
		t.Error(err)
	}

	if says, err := bash(t, module, "fuzz.sh", "100x", "FuzzHold"); err == nil || says != "no fuzz target is called FuzzHold\n" {
		t.Errorf("a name that none has: error %v, and it says:\n%s", err, says)
	}
}
