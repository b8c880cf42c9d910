//go:build unix

package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadApp(t *testing.T) {
	for _, test := range []struct {
		name, old, replacement string // in either file
		want                   string // of the error
	}{
		{"no handler", `"customHandler"`, `"other"`, "no customHandler"},
		{"no executable", `"defaultExecutablePath": "handler"`, ``, "defaultExecutablePath is missing"},
		{"missing executable", `"handler"`, `"no-such-handler"`, "neither in the folder nor in PATH"},
		{"missing path", `"handler"`, `"./no-such-handler"`, "neither in the folder nor in PATH"},
		{"a folder for an executable", `"handler"`, `"scim"`, "neither in the folder nor in PATH"},
		{"forwarding", `enableProxyingHttpRequest`, `enableForwardingHttpRequest`, "would not proxy"},
		{"misspelt", `enableProxyingHttpRequest`, `enableHttpProxyingRequest`, "would not proxy"}, // host issue 11423
		{"profile", `"version"`, `"configurationProfile": "mcp-custom-handler", "version"`, "configurationProfile"},
		{"routes", `"description"`, `"http": {"routes": [{"route": "{*route}"}]}, "description"`, "customHandler.http"},
		{"type", `"description"`, `"type": "none", "description"`, "type is not http"},
		{"arguments", `"handler"`, `"handler", "arguments": ["-x"]`, "only defaultExecutablePath"},
		{"worker arguments", `"handler"`, `"handler", "workerArguments": ["-x"]`, "only defaultExecutablePath"},
		{"worker path", `"handler"`, `"handler", "defaultWorkerPath": "x"`, "only defaultExecutablePath"},
		{"worker directory", `"handler"`, `"handler", "workerDirectory": "x"`, "only defaultExecutablePath"},
		{"working directory", `"handler"`, `"handler", "workingDirectory": "x"`, "only defaultExecutablePath"},
		{"no time span", `"description"`, `"initializationTimeout": "30s", "description"`, `"30s" is no time span`},
		{"no port", `"description"`, `"port": 65536, "description"`, `port is "65536"`},
		{"broken", `"version"`, `version`, "host.json"},
		{"no function", goodFunctionJSON, "", "no folder has a function.json"},
		{"broken function", `"bindings"`, `bindings`, "function.json"},
		{"only the trigger", `,
  {"type": "http", "direction": "out", "name": "res"}`, ``, "not exactly one"},
		{"a trigger that goes out", `"direction": "in"`, `"direction": "out"`, "not exactly one"},
		{"an output that comes in", `"direction": "out"`, `"direction": "in"`, "not exactly one"},
		{"no trigger", `httpTrigger`, `queueTrigger`, "not exactly one httpTrigger in and one http out"},
		{"a second output", `"bindings": [`, `"bindings": [{"type": "queue", "direction": "out"},`, "not exactly one"},
		{"a third binding", `"name": "res"}`, `"name": "res"}, {"type": "queue", "direction": "out"}`, "not exactly one"},
		{"another output", `"type": "http", `, `"type": "queue", `, "not exactly one"},
		{"keys", `"anonymous"`, `"function"`, `authLevel "function"`},
		{"keys by default", `"authLevel": "anonymous", `, ``, `authLevel ""`},
		{"reserved", `{*path}`, `/Administrator/{*path}`, "reserved"},
		{"constraint", `{*path}`, `{id:int}`, "not emulated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readApp(appFolder(t, strings.Replace(goodHostJSON, test.old, test.replacement, 1),
				strings.Replace(goodFunctionJSON, test.old, test.replacement, 1)))
			if !errors.Is(err, ErrApp) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if _, err := readApp(t.TempDir()); !errors.Is(err, ErrApp) || !strings.Contains(err.Error(), "host.json\" is missing") {
		t.Errorf("an empty folder: %v", err)
	}
}

// What is spelled otherwise, or says what goes without saying, is taken.
func TestReadAppInOtherWords(t *testing.T) {
	for _, test := range []struct{ old, replacement string }{
		{`"version"`, `"configurationProfile": "default", "version"`},
		{`"description"`, `"type": "Http", "description"`},
		{`"customHandler"`, `"CustomHandler"`},
		{`httpTrigger`, `HttpTrigger`},
		{`"http", "direction": "out"`, `"HTTP", "direction": "OUT"`},
		{`"in"`, `"In"`},
		{`anonymous`, `Anonymous`},
		{`"route": "{*path}"`, `"route": " "`},
	} {
		got, err := readApp(appFolder(t, strings.Replace(goodHostJSON, test.old, test.replacement, 1),
			strings.Replace(goodFunctionJSON, test.old, test.replacement, 1)))
		if err != nil || got.find("GET", "/scim") == nil {
			t.Errorf("%s: got %v, %v", test.replacement, got, err)
		}
	}
}

// The package that ships is one that the host runs, without anything fixed.
func TestReadShippedApp(t *testing.T) {
	folder := t.TempDir()
	for from, to := range map[string]string{"host.json": "host.json", "function.json": "scim/function.json"} {
		content, err := os.ReadFile(filepath.Join("../..", from))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(folder, to), string(content))
	}
	writeFile(t, filepath.Join(folder, "handler"), "")
	t.Chdir(folder)
	got, err := readApp(".")
	if err != nil {
		t.Fatal(err)
	}
	if got.port != 0 || got.limit != 30*time.Second || got.executable != filepath.Join(folder, "handler") || len(got.functions) != 1 {
		t.Errorf("got %+v", got)
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if got.find(method, "/") == nil || got.find(method, "/scim/v2/Users/1") == nil {
			t.Errorf("%s goes nowhere", method)
		}
	}
}

// A command of PATH does, as with node, and so does a file elsewhere, even
// without an execute bit: that one may still get it.
func TestExecutableElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "handler")
	writeFile(t, path, "")
	if got, err := executable(t.TempDir(), path); err != nil || got != path {
		t.Errorf("got %q, %v", got, err)
	}
	got, err := executable(t.TempDir(), "sh")
	if err != nil || !filepath.IsAbs(got) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRoute(t *testing.T) {
	for _, test := range []struct {
		template string
		yes, no  string // paths, with blanks between
	}{
		{"{*path}", "/ /a /a/ /a/b //", ""},
		{"scim/{*path}", "/scim /SCIM/ /scim/Users/1", "/ /sci /scimx /x/scim"},
		{"scim/Users/{id}", "/scim/Users/1 /scim/users/1/", "/scim/Users /scim/Users/ /scim/Users// /scim/Users/1/2 /scim//1"},
		{"scim/Users/{id?}", "/scim/Users /scim/Users/1", "/scim/Users/1/2 /scim"},
		{"{a?}/{*b}", "/ /x /x/y", ""},
		{"api/scim", "/api/scim", "/scim /api /api/scim/x"},
		{"", "/", "/a"},
	} {
		r, err := parseRoute(test.template)
		if err != nil {
			t.Error(err)
			continue
		}
		for path := range strings.FieldsSeq(test.yes) {
			if !r.matches(path) {
				t.Errorf("%q does not match %q", test.template, path)
			}
		}
		for path := range strings.FieldsSeq(test.no) {
			if r.matches(path) {
				t.Errorf("%q matches %q", test.template, path)
			}
		}
	}
	for _, template := range []string{"{*a}/b", "{a:int}", "{a=b}", "a{b}", "a{b", "a}", "a*b", "{a{b}", "{a", "{}", "{*}", "a?"} {
		if r, err := parseRoute(template); err == nil {
			t.Errorf("%q is taken for %v", template, r)
		}
	}
}

// The most specific function gets the call, and without a route and a prefix a
// function is at /api/name.
func TestFunctionsOfAnApp(t *testing.T) {
	folder := appFolder(t, strings.Replace(goodHostJSON, `"extensions": {"http": {"routePrefix": ""}},`, "", 1), goodFunctionJSON)
	writeFile(t, filepath.Join(folder, "zzz", "function.json"), strings.Replace(goodFunctionJSON, `"route": "{*path}",`, "", 1))
	all := strings.Replace(goodFunctionJSON, `"methods": ["get", "head", "post", "put", "patch", "delete", "options"]`, `"methods": []`, 1)
	writeFile(t, filepath.Join(folder, "user", "function.json"), strings.Replace(all, `{*path}`, `/Users/{id}`, 1))
	writeFile(t, filepath.Join(folder, "any", "function.json"), strings.Replace(goodFunctionJSON, `{*path}`, `{name}`, 1))
	got, err := readApp(folder)
	if err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]string{
		"GET /api/zzz": "zzz", "GET /api/Users/1": "user", "TRACE /api/Users/1": "user", "GET /api/zzz/1": "scim", "GET /api/x": "any", "GET /api": "scim",
		"TRACE /api/zzz": "", "GET /zzz": "", "get /api/zzz": "zzz",
	} {
		method, path, _ := strings.Cut(call, " ")
		name := ""
		if f := got.find(method, path); f != nil {
			name = f.name
		}
		if name != want {
			t.Errorf("%s goes to %q, want %q", call, name, want)
		}
	}
}

func TestTimeSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"00:00:30": 30 * time.Second, "00:01": time.Minute, "1.02:03:04.5": 26*time.Hour + 3*time.Minute + 4*time.Second + 500*time.Millisecond,
		"0:0:0.0000001": 100, "00:00:00.25": 250 * time.Millisecond,
		"": 0, "30": 0, "24:00:00": 0, "00:60:00": 0, "00:00:60": 0, "00:00:00": 0, "-00:00:30": 0, "00:00:30s": 0, "00:00:30.": 0,
	} {
		got, err := parseTimeSpan(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %s, %v", text, got, err)
		}
	}
}

// A template that is taken can be matched, and one without parameters matches
// itself.
func FuzzRoute(f *testing.F) {
	for _, template := range []string{"{*path}", "scim/{id?}", "scim/Users/{id}", "/a//b/", "{a=b}", "{"} {
		f.Add(template, "/scim/Users/1")
	}
	f.Fuzz(func(t *testing.T, template, path string) {
		r, err := parseRoute(template)
		if err != nil {
			return
		}
		r.matches(path)
		var own strings.Builder
		for _, s := range r {
			own.WriteString("/" + s.text)
		}
		if !r.matches(own.String()) {
			t.Errorf("%q does not match %q", template, own.String())
		}
	})
}

// A time span that is taken is positive and within what .NET can write.
func FuzzTimeSpan(f *testing.F) {
	for _, text := range []string{"00:00:30", "9999.23:59:59.9999999", "0:1", "00:00:00.0000001"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseTimeSpan(text); err == nil && (got <= 0 || got >= 10000*24*time.Hour) {
			t.Errorf("%q: got %s", text, got)
		}
	})
}
