package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// printVersion writes what this binary is: its release, the Go release and
// platform it was built with and for, the commit if the build recorded one, and
// each module linked in. It returns the exit status.
func printVersion(stdout, stderr io.Writer) int {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	if _, err := io.WriteString(stdout, describe(info)); err != nil {
		fmt.Fprintln(stderr, "handler: print the version:", err)
		return exitFailure
	}
	return exitOK
}

// describe lists what info tells, a line each. The package has no commit: it is
// built without, so that two clones give the same bytes (infra/package).
func describe(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	var text strings.Builder
	fmt.Fprintf(&text, "entra-scim-proxy %s\n%s %s/%s\n", version, info.GoVersion, runtime.GOOS, runtime.GOARCH)
	if revision := settings["vcs.revision"]; revision != "" {
		fmt.Fprintf(&text, "commit %s %s", revision, settings["vcs.time"])
		if settings["vcs.modified"] == "true" {
			text.WriteString(", changed since")
		}
		text.WriteString("\n")
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		fmt.Fprintf(&text, "%s %s\n", module.Path, module.Version)
	}
	return text.String()
}
