package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// settings is what Core Tools reads an app's settings from on a developer's
// machine. It holds tokens: it is never part of the package.
const settings = "local.settings.json"

// stage fills the folder dir with what `func start` needs on this machine:
// the package's files, the handler built for here, and local settings.
// Nothing else in dir is touched.
func stage(ctx context.Context, w io.Writer, root, dir string) error {
	for _, f := range contents() {
		to := filepath.Join(dir, filepath.FromSlash(f.name))
		if f.source == "" {
			if err := build(ctx, root, to+executableSuffix(host()), host()); err != nil {
				return err
			}
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, f.source))
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		if f.name == "host.json" {
			if content, err = retarget(content, host()); err != nil {
				return err
			}
		}
		if err := write(to, content, f.mode); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "staged", dir)
	return stageSettings(w, root, dir)
}

// executableSuffix is what the name of an executable ends in on p.
func executableSuffix(p platform) string {
	if p.goos == "windows" {
		return ".exe"
	}
	return ""
}

// retarget makes host.json name the executable as p does. The Functions host
// takes defaultExecutablePath literally and looks for a command of that name
// on PATH when there is no such file, so on Windows the suffix is needed.
func retarget(hostJSON []byte, p platform) ([]byte, error) {
	from := []byte(`"defaultExecutablePath": "handler"`)
	if n := bytes.Count(hostJSON, from); n != 1 {
		return nil, fmt.Errorf("host.json holds %s %d times, want once", from, n)
	}
	to := `"defaultExecutablePath": "handler` + executableSuffix(p) + `"`
	return bytes.Replace(hostJSON, from, []byte(to), 1), nil
}

// stageSettings copies the example on first use only: from then on the file is
// the developer's, with tokens in it, hence O_EXCL and mode 0600.
func stageSettings(w io.Writer, root, dir string) error {
	example, err := os.ReadFile(filepath.Join(root, settings+".example"))
	if err != nil {
		return fmt.Errorf("read example settings: %w", err)
	}
	to := filepath.Join(dir, settings)
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		fmt.Fprintln(w, "kept  ", to)
		return nil
	}
	if err != nil {
		return fmt.Errorf("create local settings: %w", err)
	}
	if _, err := f.Write(example); err != nil {
		return errors.Join(fmt.Errorf("write local settings: %w", err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close local settings: %w", err)
	}
	fmt.Fprintln(w, "created", to, "from the example: put your backend and tokens there")
	return nil
}
