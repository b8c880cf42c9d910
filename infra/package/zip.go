package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// epoch is the time of every entry, the earliest that a zip can hold. It is in
// UTC because the format stores local time.
func epoch() time.Time { return time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC) }

// writeZip packs the listed files of the folder dist, in the list's order and
// with its modes, never what else may lie in the folder.
func writeZip(archive, dist string) error {
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, f := range contents() {
		content, err := os.ReadFile(filepath.Join(dist, filepath.FromSlash(f.name)))
		if err != nil {
			return fmt.Errorf("read packaged file: %w", err)
		}
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: epoch()}
		header.SetMode(f.mode)
		entry, err := w.CreateHeader(header)
		if err != nil {
			return fmt.Errorf("add %q: %w", f.name, err)
		}
		if _, err := entry.Write(content); err != nil {
			return fmt.Errorf("compress %q: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("close archive: %w", err)
	}
	return write(archive, buffer.Bytes(), 0o644)
}

// listZip reads the headers of the archive's entries back.
func listZip(archive string) ([]zip.FileHeader, error) {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	defer r.Close()
	entries := make([]zip.FileHeader, 0, len(r.File))
	for _, f := range r.File {
		entries = append(entries, f.FileHeader)
	}
	return entries, nil
}
