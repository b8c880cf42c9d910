// Command package assembles what ships to Azure Functions.
//
//	go run ./infra/package                     # dist/ and dist.zip
//	go run ./infra/package -local build/local  # a folder for `func start`
//
// It runs at the top of the repository. dist/ begins empty and receives the
// files of an explicit list, so local settings cannot get into it. dist.zip is
// byte-reproducible: two clones at different paths, under another umask or time
// zone, give the same bytes as long as the Go release is the same.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

func main() {
	local := flag.String("local", "", "stage a `folder` for this machine instead of dist/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	if err := run(ctx, os.Stdout, ".", *local); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// run packages the source tree at root, or stages it into the folder local if
// that is not empty, and reports on w.
func run(ctx context.Context, w io.Writer, root, local string) error {
	if local != "" {
		return stage(ctx, w, root, local)
	}
	dist, archive := filepath.Join(root, "dist"), filepath.Join(root, "dist.zip")
	if err := assemble(ctx, root, dist); err != nil {
		return err
	}
	if err := writeZip(archive, dist); err != nil {
		return err
	}
	return report(w, root, archive)
}

// report lists the entries of the archive as they were written, then its
// digest, size and version.
func report(w io.Writer, root, archive string) error {
	version, err := os.ReadFile(filepath.Join(root, "handler", "VERSION"))
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	entries, err := listZip(archive)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range entries {
		fmt.Fprintf(table, "%v\t%d\t%s\n", e.Mode(), e.UncompressedSize64, e.Name)
	}
	fmt.Fprintf(table, "version\t%s\n", strings.TrimSpace(string(version)))
	fmt.Fprintf(table, "size\t%d\n", len(content))
	fmt.Fprintf(table, "sha256\t%x\n", sha256.Sum256(content))
	return table.Flush()
}
