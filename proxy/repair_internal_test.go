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
