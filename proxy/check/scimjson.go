package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// errorSchema tells that an answer is an error (RFC 7644 section 3.12).
const errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"

// message is a JSON object of an answer. The zero value has no attributes.
type message map[string]any

// readMessage reads a body; ok is false if it is not one JSON object.
func readMessage(body []byte) (m message, ok bool) {
	decoder := newDecoder(body)
	if decoder.Decode(&m) != nil || m == nil {
		return nil, false
	}
	_, err := decoder.Token()
	return m, errors.Is(err, io.EOF)
}

// newDecoder begins behind a byte order mark, which .NET skips.
func newDecoder(body []byte) *json.Decoder {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	decoder.UseNumber()
	return decoder
}

// readResources reads the resources of a list that may break off.
func readResources(body []byte) (list []message) {
	decoder := newDecoder(body)
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return nil
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return list
		}
		if text, _ := name.(string); !strings.EqualFold(text, "Resources") {
			var skipped json.RawMessage
			if decoder.Decode(&skipped) != nil {
				return list
			}
			continue
		}
		if begin, err := decoder.Token(); err != nil || begin != json.Delim('[') {
			return list
		}
		for decoder.More() {
			var resource message
			if decoder.Decode(&resource) != nil {
				return list
			}
			list = append(list, resource)
		}
		return list
	}
	return list
}

// get returns an attribute; nil if it is absent. Names of attributes have no case
// (RFC 7643 section 2.1).
func (m message) get(name string) any {
	value, _ := m.find(name)
	return value
}

func (m message) find(name string) (value any, ok bool) {
	if value, ok = m[name]; ok {
		return value, true
	}
	for _, other := range slices.Sorted(maps.Keys(m)) {
		if strings.EqualFold(other, name) {
			return m[other], true
		}
	}
	return nil, false
}

// text returns an attribute that is a string; "" if it is none.
func (m message) text(name string) string {
	text, _ := m.get(name).(string)
	return text
}

// object returns an attribute that is an object; nil if it is none.
func (m message) object(name string) message {
	object, _ := m.get(name).(map[string]any)
	return object
}

// array returns an attribute that is one; nil if it is none.
func (m message) array(name string) []any {
	array, _ := m.get(name).([]any)
	return array
}

// objects returns those in an attribute that is an array.
func (m message) objects(name string) (objects []message) {
	for _, element := range m.array(name) {
		if object, ok := element.(map[string]any); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// integer returns an attribute that is an integer.
func (m message) integer(name string) (n int64, ok bool) {
	number, _ := m.get(name).(json.Number)
	n, err := number.Int64()
	return n, err == nil
}

// hasSchema reports whether schemas names a URI, which have no case in practice.
func (m message) hasSchema(uri string) bool {
	return slices.ContainsFunc(m.array("schemas"), func(element any) bool {
		text, _ := element.(string)
		return strings.EqualFold(text, uri)
	})
}

// id returns the id as text, also where it is a number; "" if there is none.
func (m message) id() string {
	if number, ok := m.get("id").(json.Number); ok {
		return number.String()
	}
	return m.text("id")
}
