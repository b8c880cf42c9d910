package scim_test

import (
	"net/url"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

func TestLocations(t *testing.T) {
	const public = "https://contoso-scim.azurewebsites.net/scim"
	tests := []struct{ backend, host, location, want string }{
		// Absolute.
		{"https://b.example.com/scim", "", "https://b.example.com/scim/Users/1", public + "/Users/1"},
		{"https://b.example.com/scim/", "", "https://b.example.com/scim", public},
		{"https://b.example.com/scim", "", "https://b.example.com/scim/", public + "/"},
		{"https://b.example.com/scim", "", "https://b.example.com/scim?a#b", public + "?a#b"},
		{"https://b.example.com/scim", "", "HTTPS://B.Example.com/scim/Users/%c3%BC?a=%2F..%2f#/../", public + "/Users/%c3%BC?a=%2F..%2f#/../"},
		{"https://b.example.com/scim", "", "https://b.example.com:443/scim/Users/1", public + "/Users/1"},
		{"https://b.example.com:443/scim", "", "https://b.example.com/scim/Users/1", public + "/Users/1"},
		{"https://b.example.com/scim", "", "https://b.example.com:/scim/Users/1", public + "/Users/1"},
		{"http://b.example.com:80", "", "http://b.example.com/Users/1", public + "/Users/1"},
		{"http://b.example.com", "", "http://b.example.com", public},
		{"https://b.example.com:8443/scim", "", "https://b.example.com:8443/scim/Users/1", public + "/Users/1"},
		{"https://[2001:DB8::1]/scim", "", "https://[2001:db8::1]:443/scim/Users/1", public + "/Users/1"},
		{"https://10.1.2.3:8443/scim", "scim.corp.example.com", "https://scim.corp.example.com:443/scim/Users/1", public + "/Users/1"},
		{"https://10.1.2.3/scim", "scim.corp.example.com:8443", "https://SCIM.corp.example.com:8443/scim/Users/1", public + "/Users/1"},
		{"https://b.example.com/a%20b", "", "https://b.example.com/a%20b/Users/1", public + "/Users/1"},
		{"https://b.example.com/scim", "", "//b.example.com/scim/Users/1", public + "/Users/1"},
		// Elsewhere.
		{"https://b.example.com/scim", "", "https://b.example.com/scimx/Users/1", ""},
		{"https://b.example.com/scim", "", "https://b.example.com/SCIM/Users/1", ""},
		{"https://b.example.com/scim", "", "https://b.example.com/Users/1", ""},
		{"https://b.example.com/scim", "", "https://b.example.com", ""},
		{"https://b.example.com/scim", "", "http://b.example.com/scim/Users/1", ""},
		{"https://b.example.com/scim", "", "https://b.example.com:80/scim/Users/1", ""},
		{"http://b.example.com/scim", "", "http://b.example.com:443/scim/Users/1", ""},
		{"https://b.example.com:8443/scim", "", "https://b.example.com/scim/Users/1", ""},
		{"https://b.example.com/scim", "", "https://b.example.com.evil.example/scim/Users/1", ""},
		{"https://b.example.com/scim", "", "https://u@b.example.com/scim/Users/1", ""},
		{"https://b.example.com/scim", "", "https:/b.example.com/scim/Users/1", ""},
		{"https://b.example.com/scim", "", "//c.example.com/scim/Users/1", ""},
		{"https://b.example.com/scim", "", "urn:ietf:params:scim:Users:1", ""},
		{"https://b.example.com/scim", "", "mailto:a@example.com", ""},
		{"https://b.example.com/scim", "", public + "/Users/1", ""},
		// Relative.
		{"https://b.example.com/scim", "", "/scim/Users/1", public + "/Users/1"},
		{"https://b.example.com/scim", "", "/scim", public},
		{"https://b.example.com/scim", "", "/Users/1", public + "/Users/1"},
		{"https://b.example.com/scim", "", "/scimx/Users/1", public + "/scimx/Users/1"},
		{"https://b.example.com/scim", "", "Users/1?a=b:c", public + "/Users/1?a=b:c"},
		{"https://b.example.com", "", "/Users/1", public + "/Users/1"},
		{"https://b.example.com/scim", "", "", ""},
		{"https://b.example.com/scim", "", "?a", ""},
		{"https://b.example.com/scim", "", "#a", ""},
		// What is not the same behind another base.
		{"https://b.example.com/scim", "", "https://b.example.com/scim/../Users/1", ""},
		{"https://b.example.com/scim", "", "https://b.example.com/scim/Users/%2E%2e", ""},
		{"https://b.example.com/scim", "", "https://B.example.com/scim/./Users/1", ""},
		{"https://b.example.com/scim", "", "../Users/1", ""},
		{"https://b.example.com/scim", "", "./Users/1", ""},
		{"https://b.example.com/scim", "", "/Users/.%2e/1", ""},
		{"https://b.example.com/scim", "", "Users/..", ""},
		{"https://b.example.com/scim", "", "/Users\\1", ""},
		{"https://b.example.com/scim", "", "/Users/\n1", ""},
		{"https://b.example.com/scim", "", "/Users/\x7f1", ""},
		{"https://b.example.com/scim", "", "https://b.example.com\\@evil.example/scim/Users/1", ""},
		{"https://b.example.com/scim", "", "/Users/a.b/.../%2e%2ex/.htaccess/%41", public + "/Users/a.b/.../%2e%2ex/.htaccess/%41"},
	}
	for _, test := range tests {
		backend, err := url.Parse(test.backend)
		if err != nil {
			t.Fatal(err)
		}
		want := test.want
		if want == "" {
			want = test.location
		}
		host := test.host
		if host == "" {
			host = backend.Host
		}
		if got := scim.NewLocations(backend, host, public).Map(test.location); got != want {
			t.Errorf("%s (%s): %q becomes %q, want %q", test.backend, test.host, test.location, got, want)
		}
	}
}

// What is public stays, also where it is below the backend's base.
func TestMappedLocationsStay(t *testing.T) {
	for _, public := range []string{"https://b.example.com/scim", "https://b.example.com/scim/public", "https://p.example.com", "https://b.example.com"} {
		l := scim.NewLocations(&url.URL{Scheme: "https", Host: "b.example.com", Path: "/scim"}, "b.example.com", public)
		for _, location := range []string{"https://b.example.com/scim/Users/1", "/Users/1", "Users/1", "/scim"} {
			once := l.Map(location)
			if twice := l.Map(once); twice != once {
				t.Errorf("%s: %s becomes %s, and then %s", public, location, once, twice)
			}
		}
	}
}

func FuzzLocations(f *testing.F) {
	for _, location := range []string{"https://10.1.2.3:8443/scim/v2/Users/1", "/Users/1", "Users/%2e%2e", "//scim.corp.example.com:443/scim/v2?a", "HTTPS://10.1.2.3:8443/scim/v2#", "a:b"} {
		f.Add(location)
	}
	f.Fuzz(func(t *testing.T, location string) {
		once := locations.Map(location)
		if twice := locations.Map(once); twice != once {
			t.Fatalf("%q becomes %q, and then %q", location, once, twice)
		}
		if once == location {
			return
		}
		// To a parser, too, it is below the public base.
		parsed, err := url.Parse(once)
		if err != nil {
			return
		}
		if parsed.Host != "contoso-scim.azurewebsites.net" || parsed.User != nil || parsed.Scheme != "https" || len(parsed.Path) < 5 || parsed.JoinPath().Path[:5] != "/scim" {
			t.Fatalf("%q becomes %q: %#v", location, once, parsed)
		}
	})
}
