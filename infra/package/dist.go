package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A file is one entry of the package.
type file struct {
	name   string      // slash-separated, as the Functions host wants it
	source string      // path in the repository; empty: built from ./handler
	mode   fs.FileMode // the same on every machine, whatever its umask
}

// contents lists everything that ships, sorted by name, which is the archive's
// order. The handler is 0755 because the host's own chmod is only a best effort
// on a package that it mounts read-only.
func contents() []file {
	return []file{
		{name: "handler", mode: 0o755},
		{name: "host.json", source: "host.json", mode: 0o644},
		{name: "scim/function.json", source: "function.json", mode: 0o644},
	}
}

// assemble empties the folder dist and fills it from the repository at root.
func assemble(ctx context.Context, root, dist string) error {
	if err := os.RemoveAll(dist); err != nil {
		return fmt.Errorf("empty %q: %w", dist, err)
	}
	for _, f := range contents() {
		to := filepath.Join(dist, filepath.FromSlash(f.name))
		if f.source == "" {
			if err := build(ctx, root, to, azure()); err != nil {
				return err
			}
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, f.source))
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		if err := write(to, content, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// write replaces the file at path, its folder made on the way. The explicit
// chmod is there because WriteFile's mode is subject to the umask.
func write(path string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	return nil
}
