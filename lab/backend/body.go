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
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := decodeValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, refuse(invalidSyntax, "the body must be a JSON object")
	}
	return object, nil
}

// decodeValue reads one value from text that is known to be valid JSON.
func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, refuse(invalidSyntax, "the body is nested too deep")
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, refuse(invalidSyntax, "the body is not valid JSON")
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := decodeValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = decoder.Token()
		return list, err
	case json.Delim('{'):
		object := map[string]any{}
		for decoder.More() {
			if err := decodeMember(decoder, object, depth); err != nil {
				return nil, err
			}
		}
		_, err = decoder.Token()
		return object, err
	}
	return token, nil
}

// decodeMember reads one name and value into object.
func decodeMember(decoder *json.Decoder, object map[string]any, depth int) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	name, _ := token.(string)
	if _, ok := object[name]; ok {
		return refuse(invalidSyntax, "the member %q is repeated", name)
	}
	object[name], err = decodeValue(decoder, depth+1)
	return err
}
