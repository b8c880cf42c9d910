package main

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"testing"
)

// archived lists the entries of a zip, in its order.
func archived(t *testing.T, archive string) []string {
	t.Helper()
	entries, err := listZip(archive)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if !e.Modified.Equal(epoch()) {
			t.Errorf("%s: modified %v, want %v", e.Name, e.Modified, epoch())
		}
		list = append(list, e.Mode().String()+" "+e.Name)
	}
	return list
}

// files lists what a folder holds, sorted by name.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		list = append(list, info.Mode().String()+" "+name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func unpack(t *testing.T, archive []byte, name string) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
