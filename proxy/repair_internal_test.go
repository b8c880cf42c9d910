package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFirstByte(t *testing.T) {
	for text, want := range map[string]byte{
		"":                                       0,
		" \r\n\t":                                0,
		"<":                                      '<',
		"\n {}":                                  '{',
		"\ufeff[":                                '[',
		"\ufeff \n<html>":                        '<',
		"\ufeff":                                 0,
		"\xef<":                                  0xef,
		strings.Repeat(" ", sniffLimit-1) + "{":  '{',
		strings.Repeat(" ", sniffLimit) + "{":    0,
		strings.Repeat(" ", sniffLimit) + "tail": 0,
	} {
		for _, source := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
			response := &http.Response{ContentLength: -1, Body: io.NopCloser(source)}
			if got := firstByte(response); got != want {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
			if rest, err := io.ReadAll(response.Body); string(rest) != text || err != nil {
				t.Errorf("%q: %q, %v is left", text, rest, err)
			}
		}
	}
}

func TestIsCollection(t *testing.T) {
	for _, test := range []struct {
		base, resource string
		want           bool
	}{
		{"", "/Users", true},
		{"/scim/v2", "/Groups", true},
		{"/users/scim", "/Users", true},
		{"/v2", "/Devices", true},
		{"/v2", "/Users/", true},
		{"/v2", "/Users/1", false},
		{"/v2", "/v3/Users", false},
		{"/v2", "/Me", false},
		{"/v2", "/Schemas", false},
		{"/v2", "/ResourceTypes", false},
		{"/v2", "/ServiceProviderConfig", false},
		{"/v2", "", false},
		{"/v2/Users", "/Users", false},
		{"/v2/users", "/Users", false},
	} {
		p := &Proxy{basePath: test.base}
		x := &exchange{endpoint: endpoint(test.resource), path: test.base + test.resource}
		if got := p.isCollection(x); got != test.want {
			t.Errorf("%s below %q: %t", test.resource, test.base, got)
		}
	}
}
