package stand_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
)

func TestBusyPortIsOneSentence(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	busy := listener.Addr().(*net.TCPAddr).Port
	strict, _ := profile.ByName("strict")
	for port, want := range map[int]string{
		busy:   fmt.Sprintf("port %d is in use on 127.0.0.1; end the program that holds it or choose another: set PORT=", busy),
		70_000: "port 70000 cannot be used on 127.0.0.1: ",
	} {
		_, err := stand.New(t.Context(), stand.Options{App: t.TempDir(), Profile: strict, Port: port})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

// What cannot be started leaves nothing behind, neither secrets nor servers.
func TestFailureLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	strict, _ := profile.ByName("strict")
	if _, err := stand.New(t.Context(), stand.Options{App: filepath.Join(dir, "none"), Profile: strict}); err == nil {
		t.Error("an app that does not exist was started")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := stand.New(ctx, stand.Options{App: dir, Profile: strict}); err == nil {
		t.Error("the context had ended")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The secrets are for nobody else on this machine. The app here fails at
// once, after the files were written, so it can report their modes.
func TestSecretsAreForNobodyElse(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes mean little on Windows")
	}
	app := t.TempDir()
	report := filepath.Join(t.TempDir(), "report")
	files := map[string]string{
		"host.json":          `{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}, "customHandler": {"description": {"defaultExecutablePath": "handler"}, "enableProxyingHttpRequest": true}}`,
		"scim/function.json": `{"bindings": [{"type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "anonymous", "route": "{*path}", "methods": ["get"]}, {"type": "http", "direction": "out", "name": "res"}]}`,
		"handler":            "#!/bin/sh\nfor f in \"${ENTRA_TOKEN#file:}\" \"${BACKEND_TOKEN#file:}\" \"$(dirname \"${ENTRA_TOKEN#file:}\")\"; do ls -ld \"$f\" | cut -c1-10; done > " + report + "\nenv | cut -d= -f1 | grep CANARY >> " + report + "\nexit 1\n",
	}
	for name, content := range files {
		path := filepath.Join(app, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CANARY", "of our own environment")
	strict, _ := profile.ByName("strict")
	if _, err := stand.New(t.Context(), stand.Options{App: app, Profile: strict}); err == nil {
		t.Fatal("an app that fails was started")
	}
	got, err := os.ReadFile(report)
	if want := "-rw-------\n-rw-------\ndrwx------\n"; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// In ODJ's scope there is one group, and nobody who is not in it.
func TestOneGroupInScope(t *testing.T) {
	odj, _ := profile.ByName("odj")
	d, err := stand.NewDirectory(odj, directory.Options{Seed: 1, Users: 20, Groups: 3, Memberships: 30})
	if err != nil {
		t.Fatal(err)
	}
	groups := d.Groups()
	for i, id := range groups {
		if got := d.InScope(id); got != (i == 0) {
			t.Errorf("group %d: in scope %v", i, got)
		}
	}
	members, in := map[string]bool{}, 0
	for _, id := range d.Members(groups[0]) {
		members[id] = true
	}
	for _, id := range d.Users() {
		if d.InScope(id) != members[id] {
			t.Errorf("user %s: in scope %v", id, d.InScope(id))
		}
		if members[id] {
			in++
		}
	}
	if in == 0 || in == 20 {
		t.Errorf("%d of 20 users are in scope", in)
	}
}

// User Sync's lists have groups of each kind to be about.
func TestGroupsForTheLists(t *testing.T) {
	userSync, _ := profile.ByName("user-sync")
	d, err := stand.NewDirectory(userSync, directory.Options{Seed: 1, Users: 4, Groups: 4})
	if err != nil {
		t.Fatal(err)
	}
	prefixes := []string{"jira-", "jira-core-", "elsewhere-", "confluence-"}
	for i, id := range d.Groups() {
		if group, _ := d.Group(id); !strings.HasPrefix(group.DisplayName, prefixes[i]) {
			t.Errorf("group %d: got %q", i, group.DisplayName)
		}
	}
}
