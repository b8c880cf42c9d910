package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Whatever host.json says, only the name of the executable changes in it, and
// back again; one that does not name it once is refused.
func FuzzRetarget(f *testing.F) {
	source, err := os.ReadFile(filepath.Join("..", "..", "host.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(source)
	f.Add([]byte(`{}`))
	f.Add([]byte(`"defaultExecutablePath": "handler" "defaultExecutablePath": "handler"`))
	f.Fuzz(func(t *testing.T, hostJSON []byte) {
		windows, err := retarget(hostJSON, platform{"windows", "amd64"})
		same, sameErr := retarget(hostJSON, platform{"linux", "amd64"})
		if (err == nil) != (sameErr == nil) {
			t.Fatalf("%q: %v, and for Linux %v", hostJSON, err, sameErr)
		}
		if times := bytes.Count(hostJSON, []byte(`"defaultExecutablePath": "handler"`)); (times == 1) != (err == nil) {
			t.Errorf("%q names it %d times: %v", hostJSON, times, err)
		}
		if err != nil {
			return
		}
		before, _, ok := bytes.Cut(windows, []byte(`"defaultExecutablePath": "handler.exe"`))
		if !bytes.Equal(same, hostJSON) || !ok || len(windows) != len(hostJSON)+4 || !bytes.HasPrefix(hostJSON, before) {
			t.Errorf("%q became %q", hostJSON, windows)
		}
	})
}
