package scim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/proxy/scim"
)

var locations = scim.NewLocations(&url.URL{Scheme: "https", Host: "10.1.2.3:8443", Path: "/scim/v2"},
	"scim.corp.example.com", "https://contoso-scim.azurewebsites.net/scim")

// answerSeeds are answers in which every rule finds something.
var answerSeeds = []string{
	`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"11","displayName":"Staff","members":[{"value":"1"},{"value":"2"}]}`,
	`{"members":[],"id":"1","Members":null,"members":{"a":[{}]},"active":"TRUE"}`, `{ "members" : 1 , "members" : 2 }`, `{"members":1,"members":2 , "id":3}`,
	`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"Resources":[{"members":[1],"active":"false"},[{"active":"true"}],"x",null]}`,
	`{"Resources":null,"totalResults":0,"schemas":["URN:ietf:params:scim:api:messages:2.0:listresponse"]}`,
	`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"] }`, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"resources":null,"Resources":null}`,
	`{"Resources":null,"Resources":null,"members":0,"Resources":null,"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Resources":null}`,
	`{"id":"1","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"2","Manager":"","manager":{"value":"3"},"department":"manager"}}`,
	`{"id":"1","meta":{"resourceType":"User","location":"https://10.1.2.3:8443/scim/v2/Users/1"},"\u0061ctive":"Tru\u0065","active":" true"}`,
	`{"meta":{"location":"\/Users\/\u00e9"},"meta":["location"],"Resources":[{"meta":{"location":"Users/2","meta":{"location":"Users/3"}}}]}`,
	"\ufeff{\"active\":\"true\"} \n{\"active\":\"true\"}", `[{"active":"true"}]`, `"active"`, ``, `{"active":"true"`, `{"id":"1","members"}`, `{"id":"1","members":[ }`,
	"{\"displayName\":\"\xff\",\"\xff\":1,\"active\":\"true\"}", `{"meta":{"location":"\/Users\/\ud800"}}`, `{"members":[1]x`, `{"members":[1],,"a":1}`,
	`{"Resources":null,,"a":1}`, `{"Resources":{"x":{"active":"true"}},"meta":["location"],"schemas":{"x":"urn:ietf:params:scim:api:messages:2.0:ListResponse"},"Resources":null}`,
	`{"memBers":[],"00":"0","" "0000`, `{"active":"true","x":"tru`, `{"x":"` + strings.Repeat("x", 100) + `","active":"true"}`,
}

// answer reads a body through the rules.
func answer(source io.Reader, rules scim.Set, hold, token int) (string, *scim.AnswerReader, error) {
	reader := scim.NewLimitedAnswerReader(source, scim.Answer{Rules: rules, Locations: locations}, hold, token)
	reader.Hold()
	length, unchanged := reader.Length(), reader.Unchanged()
	out, err := io.ReadAll(reader)
	if length >= 0 && length != int64(len(out)) {
		return "", nil, errors.New("the length is not that of the body")
	}
	if unchanged && reader.Fired() != 0 {
		return "", nil, errors.New("unchanged, and a rule fired")
	}
	return string(out), reader, err
}

func FuzzAnswer(f *testing.F) {
	for i, seed := range answerSeeds {
		f.Add(everyRule, byte(i), byte(i), seed)
		f.Add(everyRule, byte(200), byte(200), seed)
		f.Add(everyRule, byte(0), byte(200), seed)
		f.Add(everyRule, byte(len(seed)-1), byte(200), seed) // the whole, and not known to be
	}
	f.Add(everyRule, byte(3), byte(8), `{"a":0,"0000000`) // a token that is too long by one, and the end
	f.Fuzz(func(t *testing.T, rules uint64, hold, token byte, body string) {
		checkAnswer(t, scim.Set(rules), int(hold), int(token), body)
	})
}

// checkAnswer holds a body to everything that can be said of all.
func checkAnswer(t *testing.T, rules scim.Set, hold, token int, body string) {
	t.Helper()
	out, reader, err := answer(strings.NewReader(body), rules, 1<<20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if reader.Fired()&^rules != 0 || reader.Fired() == 0 && out != body {
		t.Fatalf("%q becomes %q by %q of %q", body, out, reader.Fired(), rules&scim.AnswerRules)
	}
	want, whole := modelOf(body)
	if !whole || want.depth() > 64 {
		if out != body {
			t.Fatalf("%q, which is no JSON that we read, becomes %q", body, out)
		}
	} else {
		checkModel(t, rules, body, out, want)
		again, second, err := answer(strings.NewReader(out), rules, 1<<20, 1<<20)
		if again != out || err != nil || second.Fired() != 0 {
			t.Fatalf("%q becomes %q, and again %q, %v", body, out, again, second.Fired())
		}
	}
	checkPieces(t, rules, hold, token, body, out, whole)
}

// checkModel compares what the output means with what it should.
func checkModel(t *testing.T, rules scim.Set, body, out string, want *model) {
	t.Helper()
	// Of what is not Unicode, a decoder makes something else.
	if !utf8.ValidString(body) || strings.Contains(strings.ToLower(body), `\ud`) {
		return
	}
	want.repair(rules)
	got, whole := modelOf(out)
	if !whole {
		t.Fatalf("%q becomes %q, which is no JSON", body, out)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(model{})); diff != "" {
		t.Fatalf("%q becomes %q (-want +got):\n%s", body, out, diff)
	}
}

// checkPieces reads the body in a stream, in pieces of different sizes.
func checkPieces(t *testing.T, rules scim.Set, hold, token int, body, whole string, isJSON bool) {
	t.Helper()
	var first string
	var firstErr, firstWarning error
	for i, source := range []io.Reader{
		strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body)), iotest.HalfReader(strings.NewReader(body)), iotest.DataErrReader(strings.NewReader(body)),
	} {
		out, reader, err := answer(source, rules, hold, token)
		switch {
		case err != nil && !errors.Is(err, scim.ErrMembers):
			t.Fatal(err)
		case i == 0:
			first, firstErr, firstWarning = out, err, reader.Warning()
		case out != first || !errors.Is(err, firstErr) || !errors.Is(reader.Warning(), firstWarning):
			t.Fatalf("hold %d, token %d: %q becomes %q, %v, %v; in other pieces %q, %v, %v", hold, token, body, first, firstErr, firstWarning, out, err, reader.Warning())
		}
		switch {
		case isJSON && reader.Warning() == nil && err == nil && out != whole:
			t.Fatalf("hold %d, token %d: %q becomes %q in a stream, and %q as a whole", hold, token, body, out, whole)
		case !json.Valid([]byte(body)) && err == nil && json.Valid([]byte(out)):
			t.Fatalf("hold %d, token %d: %q, which is no JSON, becomes %q", hold, token, body, out)
		case json.Valid([]byte(body)) && err == nil && !json.Valid([]byte(out)):
			t.Fatalf("hold %d, token %d: %q becomes %q, which is no JSON", hold, token, body, out)
		}
	}
}

// model is a JSON value as encoding/json reads it: an object keeps the order of
// its members, and duplicates.
type model struct {
	scalar   any
	kind     json.Delim // { or [; 0 for a scalar
	names    []string
	children []*model
}

// modelOf reads the first value of a text.
func modelOf(text string) (*model, bool) {
	decoder := json.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	decoder.UseNumber()
	m, err := readModel(decoder)
	return m, err == nil
}

func readModel(decoder *json.Decoder) (*model, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	kind, ok := token.(json.Delim)
	if !ok {
		return &model{scalar: token}, nil
	}
	m := &model{kind: kind}
	for decoder.More() {
		if kind == '{' {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			m.names = append(m.names, name.(string))
		}
		child, err := readModel(decoder)
		if err != nil {
			return nil, err
		}
		m.children = append(m.children, child)
	}
	_, err = decoder.Token()
	return m, err
}

func (m *model) depth() (deepest int) {
	for _, child := range m.children {
		deepest = max(deepest, child.depth())
	}
	if m.kind != 0 {
		deepest++
	}
	return deepest
}

// each calls f with the members of a name in an object.
func (m *model) each(name string, f func(*model)) {
	for i := range m.names {
		if asciiLower(m.names[i]) == asciiLower(name) {
			f(m.children[i])
		}
	}
}

func asciiLower(s string) string {
	return string(bytes.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, []byte(s)))
}

// repair does to an answer what the rules do.
func (m *model) repair(rules scim.Set) {
	isList, hasResources := false, false
	var pending *model // of several Resources, only the first counts
	for i, name := range m.names {
		child := m.children[i]
		switch asciiLower(name) {
		case "schemas":
			for _, uri := range child.children {
				text, ok := uri.scalar.(string)
				isList = isList || ok && child.kind == '[' && asciiLower(text) == asciiLower("urn:ietf:params:scim:api:messages:2.0:ListResponse")
			}
		case "resources":
			if child.kind == 0 && child.scalar == nil && !hasResources {
				pending = child
			}
			hasResources = true
		}
		if isList && pending != nil && rules.Has(scim.ResourcesArray) {
			pending.kind, pending = '[', nil
		}
	}
	m.repairResource(rules)
	m.each("Resources", func(resources *model) {
		for _, resource := range resources.children {
			if resources.kind == '[' {
				resource.repairResource(rules)
			}
		}
	})
	if isList && !hasResources && rules.Has(scim.ResourcesArray) {
		m.names, m.children = append(m.names, "Resources"), append(m.children, &model{kind: '['})
	}
}

func (m *model) repairResource(rules scim.Set) {
	for i := 0; i < len(m.names) && rules.Has(scim.ExcludedMembers); {
		if asciiLower(m.names[i]) == "members" {
			m.names, m.children = append(m.names[:i:i], m.names[i+1:]...), append(m.children[:i:i], m.children[i+1:]...)
			continue
		}
		i++
	}
	if m.kind == '{' && len(m.names) == 0 {
		m.names, m.children = nil, nil
	}
	m.each("active", func(active *model) {
		text, _ := active.scalar.(string)
		if lower := asciiLower(text); rules.Has(scim.ResponseActive) && (lower == "true" || lower == "false") {
			active.scalar = lower == "true"
		}
	})
	m.each("meta", func(meta *model) {
		meta.each("location", func(location *model) {
			if text, ok := location.scalar.(string); ok && rules.Has(scim.Location) {
				location.scalar = locations.Map(text)
			}
		})
	})
	m.each("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", func(extension *model) {
		extension.each("manager", func(manager *model) {
			text, ok := manager.scalar.(string)
			switch {
			case !ok || !rules.Has(scim.ResponseManager):
			case text == "":
				manager.scalar = nil
			default:
				*manager = model{kind: '{', names: []string{"value"}, children: []*model{{scalar: text}}}
			}
		})
	})
}

// The parts that FuzzAnswerShapes makes answers of.
var (
	answerNames = []string{
		"members", "Members", "memb\\u0065rs", "active", "ACTIVE", "meta", "location", "Resources", "resources", "schemas", "id", "displayName", "manager",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "",
	}
	answerScalars = []string{
		"null", "true", "-12.5e3", `"True"`, `"false"`, `""`, `"x\"y"`, `"urn:ietf:params:scim:api:messages:2.0:ListResponse"`,
		`"https://scim.corp.example.com/scim/v2/Users/1"`, `"Users/1"`, `"\/Groups\/\u00e9"`, "{}", "[]",
	}
	answerSpaces = []string{"", "", "", " ", "\r\n\t", "    "}
)

// FuzzAnswerShapes makes valid answers of its input.
func FuzzAnswerShapes(f *testing.F) {
	for i := range 16 {
		f.Add(everyRule, byte(i), byte(3*i), []byte(strings.Repeat(string(rune('a'+i))+"\x00\x01\x07\x03\x02", 12)))
	}
	f.Fuzz(func(t *testing.T, rules uint64, hold, token byte, choices []byte) {
		s := &shape{choices}
		var body strings.Builder
		s.answerValue(&body, '{', 5)
		if !json.Valid([]byte(body.String())) {
			t.Fatalf("%q is no JSON", body.String())
		}
		checkAnswer(t, scim.Set(rules), int(hold), int(token), body.String())
	})
}

// answerValue writes an object, an array, or a scalar of the list.
func (s *shape) answerValue(to *strings.Builder, kind byte, depth int) {
	if kind == '"' || depth == 0 {
		to.WriteString(answerScalars[s.choose(len(answerScalars))])
		return
	}
	space := func() { to.WriteString(answerSpaces[s.choose(len(answerSpaces))]) }
	to.WriteByte(kind)
	for i := range s.choose(6) {
		if i > 0 {
			to.WriteByte(',')
		}
		space()
		if kind == '{' {
			to.WriteString(`"` + answerNames[s.choose(len(answerNames))] + `"`)
			space()
			to.WriteByte(':')
			space()
		}
		s.answerValue(to, `"{"["`[s.choose(5)], depth-1)
		space()
	}
	to.WriteByte(kind + 2) // the closing one of { and [
}
