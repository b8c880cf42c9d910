//go:build unix

package host

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("BACKEND_URL", "of the parent")
	t.Setenv("GODEBUG", "madvdontneed=1")
	t.Setenv("SystemRoot", "of any case")
	for _, test := range []struct {
		hostname string
		want     []string
		never    []string
	}{
		{"", []string{"FUNCTIONS_CORETOOLS_ENVIRONMENT=True", "WEBSITE_HOSTNAME=127.0.0.1:", "AZURE_FUNCTIONS_ENVIRONMENT=Development"},
			[]string{"WEBSITE_SITE_NAME", "WEBSITE_SKU", "WEBSITE_POD_NAME", "WEBSITE_INSTANCE_ID"}},
		{"contoso-scim.azurewebsites.net", []string{"WEBSITE_HOSTNAME=contoso-scim.azurewebsites.net", "WEBSITE_SITE_NAME=contoso-scim\n",
			"WEBSITE_SKU=FlexConsumption", "WEBSITE_INSTANCE_ID=", "WEBSITE_POD_NAME="}, []string{"FUNCTIONS_CORETOOLS_ENVIRONMENT"}},
	} {
		folder := appFolder(t, goodHostJSON, goodFunctionJSON)
		h := startHost(t, Options{App: folder, Hostname: test.hostname, Settings: []string{
			"LOG_LEVEL=debug", "FUNCTIONS_EXTENSION_VERSION=~5", "FUNCTIONS_CUSTOMHANDLER_PORT=1",
		}})
		_, got := get(t, h, "/do/environment")
		got = "\n" + got
		_, port, _ := strings.Cut(h.destination, ":")
		_, id, _ := strings.Cut(got, "FUNCTIONS_CUSTOMHANDLER_WORKER_ID=")
		id, _, _ = strings.Cut(id, "\n")
		want := append(test.want, "LOG_LEVEL=debug\n", "FUNCTIONS_EXTENSION_VERSION=~5\n", "SystemRoot=of any case\n", "PATH=", "GODEBUG=madvdontneed=1\n", "FUNCTIONS_WORKER_RUNTIME=custom\n",
			"FUNCTIONS_CUSTOMHANDLER_PORT="+port+"\n", "FUNCTIONS_HTTPWORKER_PORT="+port+"\n", "FUNCTIONS_APP_ROOT_PATH="+folder+"\n",
			"FUNCTIONS_CUSTOMHANDLER_WORKER_ID="+id+"\n", "FUNCTIONS_HTTPWORKER_ID="+id+"\n", "the working directory="+folder)
		for _, variable := range want {
			if !strings.Contains(got, "\n"+variable) {
				t.Errorf("%q: the handler did not get %s:\n%s", test.hostname, variable, got)
			}
		}
		for _, name := range append(test.never, "BACKEND_URL", "AzureFunctionsJobHost") {
			if strings.Contains(got, "\n"+name) {
				t.Errorf("%q: the handler got %s:\n%s", test.hostname, name, got)
			}
		}
	}
}

func TestFixedPort(t *testing.T) {
	port, err := choosePort(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	number := strings.TrimPrefix(hostPort(port), "127.0.0.1:")
	hostJSON := strings.Replace(goodHostJSON, `"customHandler": {`, `"customHandler": {"port": "`+number+`", `, 1)
	h := startHost(t, Options{App: appFolder(t, hostJSON, goodFunctionJSON)})
	if _, got := get(t, h, "/do/environment"); !strings.Contains(got, "FUNCTIONS_CUSTOMHANDLER_PORT="+number) || !strings.Contains(got, "SequentialRestart=true") {
		t.Errorf("the handler got:\n%s", got)
	}
	if _, err := Start(t.Context(), Options{App: h.app.folder}); err == nil || !strings.Contains(err.Error(), "choose a port") {
		t.Errorf("a second host on the port: %v", err)
	}
}

// The listener is the host's, and closed with it, also when it does not start.
func TestListener(t *testing.T) {
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return listener
	}
	served, refused := listen(), listen()
	h := startHost(t, Options{Listener: served})
	if want := "http://" + served.Addr().String(); h.URL() != want {
		t.Errorf("got %q, want %q", h.URL(), want)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Start(t.Context(), Options{App: t.TempDir(), Listener: refused}); err == nil {
		t.Error("an empty folder was started")
	}
	for _, listener := range []net.Listener{served, refused} {
		if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is still open: %v", err)
		}
	}
	if h := startHost(t, Options{}); !strings.HasPrefix(h.URL(), "http://127.0.0.1:") {
		t.Errorf("without one: got %q", h.URL())
	}
}

// The handler's port is none that the system could hand out meanwhile.
func TestHandlersPort(t *testing.T) {
	seen := map[int]bool{}
	for range 20 {
		port, err := choosePort(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if port < 20_000 || port >= 32_000 {
			t.Errorf("got %d", port)
		}
		seen[port] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 times: got %d different ports", len(seen))
	}
}

// Lines come whole, also those of pieces and the one without an end.
func TestConsole(t *testing.T) {
	var stdout, stderr lines
	h := startHost(t, Options{Stdout: &stdout, Stderr: &stderr})
	get(t, h, "/do/print")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != "half and half\nlast\n" || stderr.String() != "to stderr\n" {
		t.Errorf("got %q and %q", stdout.String(), stderr.String())
	}
}

// What a failure tells of standard error are the last three lines that do not
// warn, and of those the ones that say something.
func TestLastLines(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"a\nb\nc\nd\n":               "b,c,d",
		"a\r\nb\r\n":                 "a,b",
		"a\nWarning: b\nc\n":         "a,c",
		"a\nb\n\nc\n":                "b,c",
		"a\nb\n\n\n\n":               "",
		"of which one has no end\na": "of which one has no end,a",
	} {
		c := &console{mu: new(sync.Mutex)}
		for i := range len(text) {
			if n, err := c.Write([]byte{text[i]}); n != 1 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
		}
		c.end()
		if got := c.last(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A process that the handler left behind, and that holds its streams, holds up
// nobody.
func TestHeldStreams(t *testing.T) {
	pipe := newPipe(t)
	h := startHost(t, Options{Settings: []string{"PIPE=" + pipe}})
	defer openPipe(pipe)
	if _, got := get(t, h, "/do/orphan"); got != "<nil>" {
		t.Fatal(got)
	}
	if err := h.Kill(); err != nil {
		t.Error(err)
	}
}

// On Flex Consumption the host adds a lost execute bit; Core Tools does not.
func TestExecuteBit(t *testing.T) {
	folder := appFolder(t, goodHostJSON, goodFunctionJSON)
	handler := filepath.Join(folder, "handler")
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(handler); err != nil {
		t.Fatal(err)
	}
	writeFile(t, handler, "#!/bin/sh\nexec '"+binary+"'\n")
	if _, err := Start(t.Context(), Options{App: folder, Settings: []string{modeSetting + "=raw"}}); !errors.Is(err, ErrStopped) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
	startHost(t, Options{App: folder, Hostname: "contoso-scim.azurewebsites.net"})
	if info, err := os.Stat(handler); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(handler, 0o700); err != nil {
		t.Fatal(err)
	}
	addExecuteBit(handler)
	if info, err := os.Stat(handler); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v: a bit that is there is enough", info.Mode(), err)
	}
}
