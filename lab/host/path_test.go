package host

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// paths are request paths, and what the handler gets of them; empty for a 400.
var paths = map[string]string{
	"/":                       "/",
	"/scim/Users/1":           "/scim/Users/1",
	"/!$&'()*+,-./:;=@_~":     "/!$&'()*+,-./:;=@_~",
	"//a//":                   "//a//",
	"/%20%22%3F%23%5B%5D":     "/%20%22%3F%23%5B%5D",
	"/%41%7e%2D":              "/A~-",
	"/%25":                    "/%25",
	"/%2525":                  "/%2525",
	"/%2F%2f":                 "/%252F%252f", // yarp#1419
	"/%252F":                  "/%252F",      // as %2F: the difference is lost
	"/%E4%BD%A0%e5%a5%bd":     "/%E4%BD%A0%E5%A5%BD",
	"/%F0%9F%98%80":           "/%F0%9F%98%80",
	"/%EF%BF%BD":              "/%EF%BF%BD",
	"/%FF%41":                 "/%25FFA",
	"/%E4%BD":                 "/%25E4%25BD",
	"/%E4%BD%41":              "/%25E4%25BDA",
	"/%E4%BDA":                "/%25E4%25BDA",
	"/%C0%AF":                 "/%25C0%25AF", // an overlong slash
	"/%zz%4":                  "/%25zz%254",
	"/%":                      "/%25",
	"/a/./b/../c":             "/a/c",
	"/a/..":                   "/",
	"/a/b/.":                  "/a/b/",
	"/../../a":                "/a",
	"/a/%2e%2E/b":             "/b",
	"/a/..%2fb":               "/a/..%252fb",
	"/a/...":                  "/a/...",
	"/.well-known/x":          "/.well-known/x",
	`/a"<>{}|^` + "`" + `\ b`: "/a%22%3C%3E%7B%7D%7C%5E%60%5C%20b",
	"/%00":                    "",
	"/\x00":                   "",
	"/\xe4":                   "",
	"":                        "",
	"*":                       "",
	"scim":                    "",
}

func TestPath(t *testing.T) {
	for raw, want := range paths {
		got := ""
		if path, err := decodePath(raw); err == nil {
			got = encodePath(path)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

var encodedPath = regexp.MustCompile(`^/([!$&'()*+,\-./:;=@_~0-9A-Za-z]|%[0-9A-F]{2})*$`)

// What the handler gets is a path of valid characters without dot segments,
// which says the same as the decoded one.
func FuzzPath(f *testing.F) {
	for raw := range paths {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		path, err := decodePath(raw)
		if err != nil {
			return
		}
		if strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../") {
			t.Errorf("%q: dot segments in %q", raw, path)
		}
		encoded := encodePath(path)
		if !encodedPath.MatchString(encoded) {
			t.Errorf("%q: got %q", raw, encoded)
		}
		if back, err := url.PathUnescape(encoded); err != nil || back != path {
			t.Errorf("%q: %q is %q, %v", raw, encoded, back, err)
		}
	})
}
