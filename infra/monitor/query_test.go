package monitor_test

import (
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// reads are the ways in which a query reads a key, and what the value must be
// for that.
var reads = map[string]func(any) bool{
	"tostring": func(v any) bool { _, ok := v.(string); return ok },
	"toint":    func(v any) bool { n, ok := v.(float64); return ok && n == math.Trunc(n) },
	"todouble": func(v any) bool { _, ok := v.(float64); return ok },
	"tobool":   func(v any) bool { _, ok := v.(bool); return ok },
	"todatetime": func(v any) bool {
		text, _ := v.(string)
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	},
}

var (
	keyRead    = regexp.MustCompile(`(?:(\w+) = )?(?:(\w+)\()?\bline\.(\w+)`)
	comparison = regexp.MustCompile(`(?:tostring\(line\.(\w+)\)|\b([a-z_]+)) (?:==|!=|in|(startswith)) (\("[^)]*"\)|"[^"]*")`)
	literal    = regexp.MustCompile(`"([^"]*)"`)
)

// category is that of what a process writes to its standard output.
const category = "Host.Function.Console"

// A query that looks for what nobody writes never finds anything, and nobody
// notices.
func TestQueriesReadWhatTheProxyWrites(t *testing.T) {
	lines := capture(t)
	if !strings.Contains(read(t, "../../host.json"), `"`+category+`": "Information"`) {
		t.Errorf("host.json does not log %s", category)
	}
	files, err := filepath.Glob("*/*.kql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		query := read(t, path)
		for _, found := range keyRead.FindAllStringSubmatch(query, -1) {
			alias, way, key := found[1], found[2], found[3]
			// The comparisons below are found by the key's name.
			if alias != "" && alias != key && reads[way] != nil {
				t.Errorf("%s calls %s %s", path, key, alias)
			}
			if !someValue(lines, key, func(v any) bool { return reads[way] != nil && reads[way](v) }) {
				t.Errorf("%s: no line of the proxy has a value for %s", path, found[0])
			}
		}
		checkLiterals(t, path, query, lines)
	}
}

// checkLiterals wants each text that a key is compared with to be a value that
// the proxy gives it.
func checkLiterals(t *testing.T, path, query string, lines []line) {
	t.Helper()
	seen := map[string]bool{category: true, ",": true, " ": true, "refused before a route": true}
	for _, found := range comparison.FindAllStringSubmatch(query, -1) {
		key := found[1] + found[2]
		for _, text := range literal.FindAllStringSubmatch(found[4], -1) {
			seen[text[1]] = true
			is := func(v any) bool { return v == text[1] }
			if found[3] == "startswith" {
				is = func(v any) bool { value, ok := v.(string); return ok && strings.HasPrefix(value, text[1]) }
			}
			if !someValue(lines, key, is) {
				t.Errorf("%s: no line of the proxy has %s %s", path, key, text[0])
			}
		}
	}
	for _, text := range literal.FindAllStringSubmatch(query, -1) {
		if !seen[text[1]] {
			t.Errorf("%s: nothing checks %s", path, text[0])
		}
	}
}

// someValue reports whether a line has a value for the key that is as wanted.
func someValue(lines []line, key string, is func(any) bool) bool {
	return slices.ContainsFunc(lines, func(l line) bool { v, ok := l[key]; return ok && is(v) })
}

// with returns the first line whose value for the key is the one given, changed
// as the pairs say.
func with(t *testing.T, lines []line, key string, value any, changes ...any) line {
	t.Helper()
	for _, l := range lines {
		if l[key] == value {
			l = maps.Clone(l)
			for i := 0; i < len(changes); i += 2 {
				l[changes[i].(string)] = changes[i+1]
			}
			return l
		}
	}
	t.Fatalf("no line with %s %v", key, value)
	return nil
}
