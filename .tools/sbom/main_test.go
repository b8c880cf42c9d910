package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// build compiles ./handler for the platform of the package.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "handler")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./handler")
	command.Dir = "../.."
	command.Env = append(os.Environ(), "GOFLAGS=", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return binary
}

func TestListsTheModulesOfTheBinary(t *testing.T) {
	binary := build(t)
	listing, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(listing), "\n")
	want := []string{"pkg:golang/stdlib@" + strings.TrimPrefix(lines[0][strings.LastIndex(lines[0], " ")+1:], "go")}
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "dep" {
			want = append(want, "pkg:golang/"+fields[1]+"@"+fields[2])
		}
	}
	text, err := describe(t.Context(), "../..", binary)
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range *bom.Components {
		got = append(got, entry.PackageURL)
		if len(*entry.Licenses) == 0 {
			t.Errorf("%s has no licence", entry.Name)
		}
	}
	if !slices.Equal(got, want) || len(want) < 10 {
		t.Errorf("got %q, want %q", got, want)
	}
	known := append(want, bom.Metadata.Component.PackageURL)
	for _, dependency := range *bom.Dependencies {
		if strings.Contains(dependency.Ref, "/azidentity@") && !strings.Contains(strings.Join(*dependency.Dependencies, " "), "/azcore@") {
			t.Errorf("azidentity depends on %q, and not on azcore", *dependency.Dependencies)
		}
		for _, ref := range append(*dependency.Dependencies, dependency.Ref) {
			if !slices.Contains(known, ref) {
				t.Errorf("%s is depended on, but not listed", ref)
			}
		}
	}
	if license := (*bom.Metadata.Component.Licenses)[0].License.ID; license != "Apache-2.0" {
		t.Errorf("the handler's own licence is %s", license)
	}
}

func TestSameBytesAndNoPath(t *testing.T) {
	binary := build(t)
	first, err := describe(t.Context(), "../..", binary)
	if err != nil {
		t.Fatal(err)
	}
	second, err := describe(t.Context(), "../..", binary)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two runs differ")
	}
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{here, home, "timestamp"} {
		if bytes.Contains(first, []byte(text)) {
			t.Errorf("%q is in it", text)
		}
	}
}

// What the release's action asks of a CycloneDX file, and the schema of the first.
// https://github.com/actions/attest/blob/main/src/sbom.ts
func TestIsWhatAttestationsTake(t *testing.T) {
	text, err := describe(t.Context(), "../..", build(t))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct{ SerialNumber, BOMFormat, SpecVersion string }
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	serial := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !serial.MatchString(bom.SerialNumber) || bom.BOMFormat != "CycloneDX" || bom.SpecVersion != "1.6" {
		t.Errorf("%+v", bom)
	}
}

func TestRefusesABinaryOfOtherModules(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "package")
	command := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "./infra/package")
	command.Dir = "../.."
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if _, err := describe(t.Context(), "../..", binary); err == nil || !strings.Contains(err.Error(), "run make package") {
		t.Errorf("error %v", err)
	}
}

func TestRefusesABinaryOfOtherVersions(t *testing.T) {
	info, err := buildinfo.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	info.Deps[0].Version = "v0.0.1"
	if _, err := linkedModules(t.Context(), "../..", info); err == nil || !strings.Contains(err.Error(), "v0.0.1 is in the binary, but not what") {
		t.Errorf("error %v", err)
	}
}
