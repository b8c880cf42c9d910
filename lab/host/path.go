package host

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf8"
)

// errPath is a path that Kestrel answers with 400.
var errPath = errors.New("host: not a path")

// decodePath reads the path of a request line as Kestrel does: it undoes
// percent-escapes but those of a slash and of what is no UTF-8, and then removes
// dot segments. https://github.com/dotnet/aspnetcore/issues/30655 has the
// maintainers' words on %2F, and issue 28965 those on %00.
func decodePath(raw string) (string, error) {
	if !strings.HasPrefix(raw, "/") {
		return "", errPath
	}
	var decoded strings.Builder
	for i := 0; i < len(raw); {
		if raw[i] == 0 || raw[i] >= utf8.RuneSelf {
			return "", errPath
		}
		character, size := unescape(raw[i:])
		switch character {
		case "":
			character, size = raw[i:i+1], 1
		case "\x00":
			return "", errPath
		case "/":
			character = raw[i : i+size]
		}
		decoded.WriteString(character)
		i += size
	}
	return removeDots(decoded.String()), nil
}

// unescape decodes the one character, in UTF-8, that a text's escapes begin
// with, and says how many bytes its escapes take. It is empty if there is none.
func unescape(text string) (character string, size int) {
	var bytes []byte
	for size+2 < len(text) && text[size] == '%' {
		octet, err := hex.DecodeString(text[size+1 : size+3])
		if err != nil {
			break
		}
		bytes = append(bytes, octet...)
		size += 3
		if utf8.FullRune(bytes) {
			break
		}
	}
	if r, length := utf8.DecodeRune(bytes); r == utf8.RuneError && length == 1 {
		return "", 0
	}
	return string(bytes), size
}

// removeDots removes dot segments (RFC 3986 section 5.2.4).
func removeDots(path string) string {
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, s := range segments {
		switch s {
		case ".", "..":
			if s == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if i == len(segments)-1 {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// pathCharacters are those that YARP leaves alone (RequestUtilities.cs:
// IsValidPathChar). The percent sign is not among them, so that what Kestrel
// left escaped is escaped twice.
const pathCharacters = "!$&'()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"

// encodePath escapes a decoded path as YARP does.
func encodePath(path string) string {
	const digits = "0123456789ABCDEF"
	var encoded strings.Builder
	for i := range len(path) {
		if c := path[i]; strings.IndexByte(pathCharacters, c) >= 0 {
			encoded.WriteByte(c)
		} else {
			encoded.WriteByte('%')
			encoded.WriteByte(digits[c>>4])
			encoded.WriteByte(digits[c&15])
		}
	}
	return encoded.String()
}
