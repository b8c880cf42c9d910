// Command sbom writes dist.sbom.json: what is linked into dist/handler, as
// CycloneDX JSON.
//
//	go run -C .tools ./sbom
//
// It lists each module with its version, checksum, licence and what it needs
// in turn, and Go's standard library. The same binary gives the same bytes:
// there is no time and no path in it, and its serial number is made of the
// binary's digest.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"example.com/entra-scim-proxy/tools/modules"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".."); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// run reads dist/handler of the repository at root and writes dist.sbom.json.
func run(ctx context.Context, root string) error {
	bom, err := describe(ctx, root, filepath.Join(root, "dist", "handler"))
	if err != nil {
		return err
	}
	path := filepath.Join(root, "dist.sbom.json")
	if err := os.WriteFile(path, bom, 0o644); err != nil { //nolint:gosec // G306: it is published
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// describe returns the bill of materials of a binary that was built from the
// repository at root.
func describe(ctx context.Context, root, binary string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read build information: %w", err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read binary: %w", err)
	}
	release, err := os.ReadFile(filepath.Join(root, "handler", "VERSION"))
	if err != nil {
		return nil, fmt.Errorf("read version: %w", err)
	}
	linked, err := linkedModules(ctx, root, info)
	if err != nil {
		return nil, err
	}
	license, err := modules.Licenses(root)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(content)

	bom := cdx.NewBOM()
	bom.SerialNumber = serialNumber(digest)
	main := component(cdx.ComponentTypeApplication, info.Main.Path, strings.TrimSpace(string(release)), license)
	main.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(digest[:])}}
	bom.Metadata = &cdx.Metadata{Component: &main}
	library := standardLibrary(info.GoVersion)
	components := []cdx.Component{library}
	dependencies := []cdx.Dependency{{Ref: main.BOMRef, Dependencies: refs(linked[info.Main.Path].needs, linked, library)}}
	for _, dep := range info.Deps {
		module := linked[dep.Path]
		if module.licenses, err = modules.Licenses(module.folder); err != nil {
			return nil, err
		}
		entry := component(cdx.ComponentTypeLibrary, dep.Path, dep.Version, module.licenses)
		entry.Properties = &[]cdx.Property{{Name: "go:sum", Value: dep.Sum}}
		components = append(components, entry)
		dependencies = append(dependencies, cdx.Dependency{Ref: entry.BOMRef, Dependencies: refs(module.needs, linked, library)})
	}
	bom.Components, bom.Dependencies = &components, &dependencies

	var text bytes.Buffer
	encoder := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := encoder.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return text.Bytes(), nil
}

// serialNumber is a UUID of version 8, of a digest. GitHub's action that attests
// an SBOM takes none without a serial number for CycloneDX.
func serialNumber(digest [sha256.Size]byte) string {
	id := digest[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// component describes a Go module. Package URLs are those of
// https://github.com/package-url/purl-spec, type golang.
func component(kind cdx.ComponentType, path, version string, ids []string) cdx.Component {
	url := packageURL(path, version)
	choices := cdx.Licenses{}
	for _, id := range ids {
		choices = append(choices, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return cdx.Component{BOMRef: url, Type: kind, Name: path, Version: version, PackageURL: url, Licenses: &choices}
}

// standardLibrary is named as vulnerability databases name it: stdlib, without
// the prefix go. Its licence is that of https://go.dev/LICENSE.
func standardLibrary(release string) cdx.Component {
	return component(cdx.ComponentTypeLibrary, "stdlib", strings.TrimPrefix(release, "go"), []string{"BSD-3-Clause"})
}

func packageURL(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// refs are the package URLs of the modules at paths, and that of the standard
// library, which every module needs.
func refs(paths []string, linked map[string]*module, library cdx.Component) *[]string {
	list := []string{library.BOMRef}
	for _, path := range paths {
		list = append(list, packageURL(path, linked[path].version))
	}
	return &list
}
