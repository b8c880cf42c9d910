package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxBody  = 1 << 20 // bytes
	maxDepth = 32      // nested arrays and objects; a SCIM body needs 6
)

var bodyMediaTypes = []string{mediaType, "application/json"}

// readObject reads the JSON object in the body of r (RFC 7644 section 3.8).
func readObject(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(bodyMediaTypes, media) {
		return nil, &scimError{status: http.StatusUnsupportedMediaType, detail: "the body must be " + mediaType}
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return nil, &scimError{status: http.StatusUnsupportedMediaType, detail: "the body must be in UTF-8"}
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, &scimError{status: http.StatusUnsupportedMediaType, detail: "the body must not be encoded"}
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &scimError{status: http.StatusRequestEntityTooLarge, detail: "the body is larger than 1 MiB"}
		}
		return nil, refuse(invalidSyntax, "the body could not be read to its end")
	}
	return parseObject(data)
}

// parseObject decodes data, which must be one JSON object. Unlike
// json.Unmarshal it refuses repeated member names (RFC 8259 section 4) and
// invalid UTF-8 (section 8.1): both can be read two ways.
func parseObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, refuse(invalidSyntax, "the body is not valid JSON")
	}
	members, depth := shapeOf(data)
	if depth > maxDepth {
		return nil, refuse(invalidSyntax, "the body is nested too deep")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, refuse(invalidSyntax, "the body is not valid JSON")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, refuse(invalidSyntax, "the body must be a JSON object")
	}
	// Of members with the same name the decoder leaves one.
	if membersOf(object) != members {
		return nil, refuse(invalidSyntax, "a member is repeated")
	}
	return object, nil
}

// shapeOf counts the members of all objects in data, which is valid JSON, and
// how deep arrays and objects are nested in it.
func shapeOf(data []byte) (members, deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ':':
			members++
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return members, deepest
}

// membersOf counts the members of all objects in value.
func membersOf(value any) int {
	count := 0
	switch value := value.(type) {
	case map[string]any:
		count = len(value)
		for _, inner := range value {
			count += membersOf(inner)
		}
	case []any:
		for _, inner := range value {
			count += membersOf(inner)
		}
	}
	return count
}
