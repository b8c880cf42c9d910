package main

import "testing"

func TestShorten(t *testing.T) {
	for path, want := range map[string]string{
		"/scim/Users/2819c223-7f76-453a-919d-413861904646?x":                                 "/scim/Users/2819c223…?x",
		"/scim/Groups/x-OGFhMWEwYzAtYzRjMy00YmMwLWI0YTUtMmVmNjc2OTAwMTU5?x":                  "/scim/Groups/x-OGFhMW…?x",
		"/scim/Groups?filter=id+eq+%22x-OGFhMWEwYzAtYzRjMy00YmMwLWI0YTUtMmVmNjc2OTAwMTU5%22": "/scim/Groups?filter=id+eq+%22x-OGFhMW…%22",
		"/scim/Groups/n-U3RhZmY": "/scim/Groups/n-U3RhZmY",
	} {
		if got := shorten(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestPictureNamesTheCredential(t *testing.T) {
	for auth, want := range map[string]string{
		"": "backend's token", "bearer": "backend's token", "basic": "backend's password", "header:X-Api-Key": "backend's API key", "none": "client certificate",
	} {
		if got := credential(auth); got != want {
			t.Errorf("%q: %s, want %s", auth, got, want)
		}
	}
}
