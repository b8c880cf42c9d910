package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// walked decodes a JSON value token by token, which shows every member as it
// stands: what parseObject is held against.
func walked(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	opening, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth++; depth > maxDepth {
		return nil, errors.New("too deep")
	}
	list, object := []any{}, map[string]any{}
	for decoder.More() {
		value, err := walked(decoder, depth)
		if err == nil && opening == '{' {
			name, _ := value.(string)
			if _, ok := object[name]; ok {
				return nil, errors.New("repeated")
			}
			object[name], err = walked(decoder, depth)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	if _, err := decoder.Token(); err != nil || opening == '{' {
		return object, err
	}
	return list, nil
}

// checkBody holds parseObject against a walk over the tokens.
func checkBody(t testing.TB, data []byte) {
	t.Helper()
	got, err := parseObject(data)
	var want map[string]any
	if utf8.Valid(data) && json.Valid(data) {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if value, err := walked(decoder, 0); err == nil {
			want, _ = value.(map[string]any)
		}
	}
	// Not cmp.Diff: its time doubles with every level of nested arrays.
	if !reflect.DeepEqual(want, got) || (err == nil) != (want != nil) {
		t.Fatalf("%.200s: walked to %v, parsed to %v, %v", data, want, got, err)
	}
}

var bodies = []string{
	`{}`, `[]`, `{"a":1,"b":[{"c":null},{"c":true}]}`, `{"a":{"b":1},"c":{"b":2}}`, `{"a:b":"c:d\":e","f":"\\"}`, `{"\\":":\"","x":1}`,
	`{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1},{"b":1,"b":1}]}`, `{"a":1,"\u0061":2}`, `{"\ud800":1,"\ufffd":2}`, `{"a":1,"A":2}`,
	`{"a":{"b":1},"a":{"b":1,"c":2}}`, `{"a":[],"a":[{"b":1}]}`, `{"a":1e400}`, `{"a":12345678901234567890.10}`, `{"a":1} {}`, "{\"a\":\"\xff\"}", ``, `null`,
}

func TestParseObject(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + "1" + strings.Repeat("]", n-1) + `}` }
	for _, body := range slices.Concat(bodies, []string{deep(maxDepth), deep(maxDepth + 1)}) {
		checkBody(t, []byte(body))
	}
	if _, err := parseObject([]byte(deep(maxDepth))); err != nil {
		t.Error(err)
	}
}

// FuzzParseObject is TestParseObject for bodies that nobody thought of.
func FuzzParseObject(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	for _, test := range refusedUsers {
		f.Add([]byte(test.body))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkBody(t, data) })
}
