package host

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// app is what an app folder says.
type app struct {
	folder     string // absolute
	executable string
	port       int           // fixed by host.json; zero for any free one
	limit      time.Duration // of the handler's start
	functions  []function    // the most specific route first
}

// function is a function with an HTTP trigger.
type function struct {
	name    string
	route   route
	methods []string // upper case; none for all
}

// defaultLimit is what the code of the host has; the documentation says 60 s
// (host, HttpWorkerOptions.cs:20).
const defaultLimit = 30 * time.Second

// hostFile is what counts here of a host.json. Names of members match in any
// case, as in .NET's configuration.
type hostFile struct {
	ConfigurationProfile string
	Extensions           struct {
		HTTP struct {
			RoutePrefix *string
		}
	}
	CustomHandler *struct {
		Description struct {
			DefaultExecutablePath, DefaultWorkerPath string
			WorkingDirectory, WorkerDirectory        string
			Arguments, WorkerArguments               []string
		}
		Type                      string
		Port                      json.Number // or a string that holds one
		EnableProxyingHTTPRequest bool        `json:"enableProxyingHttpRequest"`
		InitializationTimeout     string
		HTTP                      json.RawMessage
	}
}

// functionFile is what counts here of a function.json.
type functionFile struct {
	Bindings []binding
}

type binding struct {
	Type, Direction, AuthLevel string
	Route                      string
	Methods                    []string
}

// readApp reads an app folder. All its errors are ErrApp.
func readApp(folder string) (app, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return app{}, fmt.Errorf("%w: %w", ErrApp, err)
	}
	var file hostFile
	if err := readJSON(filepath.Join(folder, "host.json"), &file); err != nil {
		return app{}, err
	}
	if err := file.check(); err != nil {
		return app{}, err
	}
	a := app{folder: folder, limit: defaultLimit}
	custom := file.CustomHandler
	if a.executable, err = executable(folder, custom.Description.DefaultExecutablePath); err != nil {
		return app{}, err
	}
	if custom.InitializationTimeout != "" {
		if a.limit, err = parseTimeSpan(custom.InitializationTimeout); err != nil {
			return app{}, fmt.Errorf("%w: host.json: initializationTimeout: %w", ErrApp, err)
		}
	}
	if custom.Port != "" {
		port, err := strconv.ParseUint(custom.Port.String(), 10, 16)
		if err != nil {
			return app{}, fmt.Errorf("%w: host.json: customHandler.port is %q", ErrApp, custom.Port)
		}
		a.port = int(port)
	}
	prefix := "api" // the default of the HTTP extension
	if given := file.Extensions.HTTP.RoutePrefix; given != nil {
		prefix = *given
	}
	a.functions, err = readFunctions(folder, prefix)
	return a, err
}

// check refuses what the real host would refuse, what would not be proxied, and
// what is not played here.
func (f *hostFile) check() error {
	if f.CustomHandler == nil {
		return fmt.Errorf("%w: host.json has no customHandler", ErrApp)
	}
	custom := f.CustomHandler
	description := custom.Description
	for _, refusal := range []struct {
		applies bool
		why     string
	}{
		{description.DefaultExecutablePath == "", "customHandler.description.defaultExecutablePath is missing"},
		{!custom.EnableProxyingHTTPRequest, "customHandler.enableProxyingHttpRequest is not true: the host would not proxy, and this emulator does nothing else"},
		{f.ConfigurationProfile != "" && f.ConfigurationProfile != "default", "configurationProfile is not emulated"},
		{custom.HTTP != nil, "customHandler.http is not emulated: write function.json files"},
		{custom.Type != "" && !strings.EqualFold(custom.Type, "http"), "customHandler.type is not http"},
		{description.DefaultWorkerPath != "" || description.WorkingDirectory != "" || description.WorkerDirectory != "" ||
			len(description.Arguments)+len(description.WorkerArguments) > 0, "of customHandler.description only defaultExecutablePath is emulated"},
	} {
		if refusal.applies {
			return fmt.Errorf("%w: host.json: %s", ErrApp, refusal.why)
		}
	}
	return nil
}

// readFunctions reads the functions' folders: those with a function.json. An app
// without any starts no handler (host,
// HttpFunctionInvocationDispatcher.cs:90-94).
func readFunctions(folder, prefix string) ([]function, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*", "function.json"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrApp, err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w: no folder has a function.json, and without functions the host starts no handler", ErrApp)
	}
	var functions []function
	for _, path := range paths {
		f, err := readFunction(path, prefix)
		if err != nil {
			return nil, err
		}
		functions = append(functions, f)
	}
	slices.SortStableFunc(functions, func(a, b function) int {
		return cmp.Compare(a.route.precedence(), b.route.precedence())
	})
	return functions, nil
}

// readFunction reads one. Only a function with an HTTP trigger in and an HTTP
// binding out, and no more, is proxied (host, FunctionMetadataExtensions.cs:25-41).
func readFunction(path, prefix string) (function, error) {
	name := filepath.Base(filepath.Dir(path))
	var file functionFile
	if err := readJSON(path, &file); err != nil {
		return function{}, err
	}
	in := slices.IndexFunc(file.Bindings, func(b binding) bool {
		return strings.EqualFold(b.Type, "httpTrigger") && strings.EqualFold(b.Direction, "in")
	})
	if len(file.Bindings) != 2 || in < 0 || !strings.EqualFold(file.Bindings[1-in].Type, "http") ||
		!strings.EqualFold(file.Bindings[1-in].Direction, "out") {
		return function{}, fmt.Errorf("%w: function %q is not exactly one httpTrigger in and one http out: the host would send it envelopes", ErrApp, name)
	}
	trigger := file.Bindings[in]
	if !strings.EqualFold(trigger.AuthLevel, "anonymous") {
		return function{}, fmt.Errorf("%w: function %q has authLevel %q: keys are not emulated, only anonymous", ErrApp, name, trigger.AuthLevel)
	}
	template := trigger.Route
	if strings.TrimSpace(template) == "" {
		template = name // host, ScriptHost.cs:912-916
	}
	template = strings.Trim(template, "/")
	for _, reserved := range reserved() {
		// Not the segment: the beginning (host, ScriptHost.cs:919-924).
		if strings.HasPrefix(strings.ToLower(template), reserved) {
			return function{}, fmt.Errorf("%w: function %q has route %q, which begins with the reserved %q", ErrApp, name, template, reserved)
		}
	}
	route, err := parseRoute(strings.Trim(prefix, "/") + "/" + template)
	if err != nil {
		return function{}, fmt.Errorf("%w: function %q: %w", ErrApp, name, err)
	}
	f := function{name: name, route: route}
	for _, method := range trigger.Methods {
		f.methods = append(f.methods, strings.ToUpper(method))
	}
	return f, nil
}

func readJSON(path string, into any) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %q is missing", ErrApp, path)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrApp, err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrApp, path, err)
	}
	return nil
}

// timeSpan is .NET's [d.]hh:mm[:ss[.fffffff]].
var timeSpan = regexp.MustCompile(`^(?:([0-9]{1,4})\.)?([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]{1,7}))?)?$`)

// parseTimeSpan parses a positive TimeSpan.
func parseTimeSpan(text string) (time.Duration, error) {
	parts := timeSpan.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is no time span such as 00:00:30", text)
	}
	var sum time.Duration
	for i, part := range []struct {
		unit time.Duration
		max  int
	}{{24 * time.Hour, 9999}, {time.Hour, 23}, {time.Minute, 59}, {time.Second, 59}} {
		number, _ := strconv.Atoi(parts[i+1]) // "" for what is left out
		if number > part.max {
			return 0, fmt.Errorf("%q is no time span such as 00:00:30", text)
		}
		sum += time.Duration(number) * part.unit
	}
	ticks, _ := strconv.Atoi((parts[5] + "0000000")[:7]) // of 100 ns
	sum += time.Duration(ticks) * 100
	if sum == 0 {
		return 0, fmt.Errorf("%q is no time at all", text)
	}
	return sum, nil
}
