package scim_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/entra-scim-proxy/proxy/scim"
)

const (
	listSchema = `"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]`
	extension  = `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
)

// answerCases say what becomes of an answer, byte for byte; "" stands for no
// change.
var answerCases = []struct{ name, rules, in, want string }{
	{"last member", "excluded-members", `{"id":"1" , "members" : [ {"value":"u1"} ] }`, `{"id":"1" }`},
	{"first member", "excluded-members", "{\n  \"members\": [],\n  \"id\": \"1\"\n}", "{\n  \"id\": \"1\"\n}"},
	{"middle member", "excluded-members", `{"id":"1", "members":[1,[2]], "x":2}`, `{"id":"1", "x":2}`},
	{"only member", "excluded-members", `{ "members":null }`, `{ }`},
	{"members twice at the start", "excluded-members", `{"members":1 , "Members":2 , "id":3}`, `{ "id":3}`},
	{"members twice at the end", "excluded-members", `{"id":3,"members":1,"MEMBERS":{"a":{}}}`, `{"id":3}`},
	{"members around another", "excluded-members", `{"members":1,"id":3,"members":2}`, `{"id":3}`},
	{"escaped name", "excluded-members", `{"id":"1","m\u0065mbers":[]}`, `{"id":"1"}`},
	{"members in a list", "excluded-members", `{"Resources":[{"members":[],"id":"1"},{"id":"2","members":[{}]}],"totalResults":2}`, `{"Resources":[{"id":"1"},{"id":"2"}],"totalResults":2}`},
	{"members elsewhere", "excluded-members", `{"x":{"members":1},"Resources":{"members":1},"resources":[[{"members":1}]],"y":[{"members":2}]}`, ""},
	{"members in a resource's attribute", "excluded-members", `{"Resources":[{"meta":{"members":1},"Resources":[{"members":1}]}]}`, ""},
	{"similar names", "excluded-members", `{"member":1,"members ":2,"memberſ":3,"membersx":4}`, ""},
	{"rule off", "response-active", `{"members":[]}`, ""},

	{"null", "resources-array", `{` + listSchema + `,"Resources": null ,"totalResults":0}`, `{` + listSchema + `,"Resources": [] ,"totalResults":0}`},
	{"upper case", "resources-array", `{` + strings.ToUpper(listSchema) + `,"RESOURCES":null}`, `{` + strings.ToUpper(listSchema) + `,"RESOURCES":[]}`},
	{"null before its schema", "resources-array", `{"resources":null,"totalResults":0,` + listSchema + `}`, `{"resources":[],"totalResults":0,` + listSchema + `}`},
	{"absent", "resources-array", `{` + listSchema + `,"totalResults":0 }`, `{` + listSchema + `,"totalResults":0,"Resources":[] }`},
	{"there", "resources-array", `{"RESOURCES":[],` + listSchema + `}`, ""},
	{"no list", "resources-array", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"Resources":null}`, ""},
	{"schema as a string", "resources-array", `{"schemas":"urn:ietf:params:scim:api:messages:2.0:ListResponse","Resources":null}`, ""},
	{"schema in an object", "resources-array", `{"schemas":{"x":"urn:ietf:params:scim:api:messages:2.0:ListResponse"},"Resources":null}`, ""},
	{"resources in an object", "response-active", `{"Resources":{"x":{"active":"true"}}}`, ""},
	{"null in what is no JSON", "resources-array", `{"Resources":null,,` + listSchema + `}`, ""},
	{"schema deeper", "resources-array", `{"schemas":[["urn:ietf:params:scim:api:messages:2.0:ListResponse"]],"x":{` + listSchema + `}}`, ""},

	{"string", "response-manager", `{` + extension + `:{"department":"x","manager" : "2\u00e9"}}`, `{` + extension + `:{"department":"x","manager" : {"value":"2\u00e9"}}}`},
	{"empty", "response-manager", `{"Resources":[{` + extension + `:{"Manager":""}}]}`, `{"Resources":[{` + extension + `:{"Manager":null}}]}`},
	{"case of the extension", "response-manager", `{"URN:ietf:params:scim:schemas:extension:enterprise:2.0:user":{"manager":"2"}}`, `{"URN:ietf:params:scim:schemas:extension:enterprise:2.0:user":{"manager":{"value":"2"}}}`},
	{"object", "response-manager", `{` + extension + `:{"manager":{"value":"2","manager":"3"},"x":{"manager":"4"}}}`, ""},
	{"null and number", "response-manager", `{` + extension + `:{"manager":null,"manager":2}}`, ""},
	{"outside of the extension", "response-manager", `{"manager":"2","x":{` + extension + `:{"manager":"2"}}}`, ""},

	{"true", "response-active", `{"active":"True","x":"true"}`, `{"active":true,"x":"true"}`},
	{"false", "response-active", `{"Active": "FALSE" }`, `{"Active": false }`},
	{"escaped", "response-active", `{"active":"\u0074rue"}`, `{"active":true}`},
	{"not a boolean", "response-active", `{"active":"yes","active":" true","active":"","active":null,"active":["true"],"active":1}`, ""},
	{"deeper", "response-active", `{"x":{"active":"true"},"emails":[{"active":"true"}],"meta":{"active":"true"}}`, ""},

	{"absolute", "location", `{"meta":{"location":"https://10.1.2.3:8443/scim/v2/Users/a%2Fb?c=%c3#d"}}`, `{"meta":{"location":"https://contoso-scim.azurewebsites.net/scim/Users/a%2Fb?c=%c3#d"}}`},
	{"escaped slashes", "location", `{"meta":{"location":"https:\/\/10.1.2.3:8443\/scim\/v2\/Users\/\u00fc\""}}`, `{"meta":{"location":"https://contoso-scim.azurewebsites.net/scim/Users/ü\""}}`},
	{"in a list", "location", `{"Resources":[{"Meta":{"Location":"/Users/1"}}]}`, `{"Resources":[{"Meta":{"Location":"https://contoso-scim.azurewebsites.net/scim/Users/1"}}]}`},
	{"not UTF-8", "location", "{\"meta\":{\"location\":\"/Users/\xff\"}}", "{\"meta\":{\"location\":\"https://contoso-scim.azurewebsites.net/scim/Users/\xff\"}}"},
	{"not UTF-8, and escaped", "location", "{\"meta\":{\"location\":\"\\/Users\\/\xff\"}}", ""},
	{"$ref stays", "location", `{"members":[{"$ref":"https://10.1.2.3:8443/scim/v2/Users/1"}],"location":"/Users/1","x":{"meta":{"location":"/Users/1"}}}`, ""},

	{"not JSON", "response", `<html>"active":"true"`, ""},
	{"cut", "response", `{"active":"true","x":`, ""},
	{"wrong", "response", `{"active":"true","x":01}`, ""},
	{"cut in members", "response", `{"active":"true","members":[1`, ""},
	{"no object", "response", `[{"active":"true"}]`, ""},
	{"no more than a number", "response", `17`, ""},
	{"nothing", "response", ``, ""},
	{"too deep", "response", `{"active":"true","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, ""},
	{"deep", "response", `{"active":"true","x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`, `{"active":true,"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`},
	{"byte order mark", "response", "\ufeff {\"active\":\"true\"}", "\ufeff {\"active\":true}"},
	{"what follows", "response", "{\"active\":\"true\"}\n{\"active\":\"true\"}\x00", "{\"active\":true}\n{\"active\":\"true\"}\x00"},
	{"duplicates and bad UTF-8", "response", "{\"\xff\":\"\xc0\",\"a\":1,\"a\":2,\"active\":\"true\",\"active\":\"false\"}", "{\"\xff\":\"\xc0\",\"a\":1,\"a\":2,\"active\":true,\"active\":false}"},
	{"the rest stays", "response", `{ "n" : 12345678901234567890.10e+01, "s":"\u00FC\/" ,"active":"true" , "e":[ ] }`, `{ "n" : 12345678901234567890.10e+01, "s":"\u00FC\/" ,"active":true , "e":[ ] }`},
}

func TestAnswer(t *testing.T) {
	for _, test := range answerCases {
		rules, err := scim.ParseRules(test.rules)
		if err != nil {
			t.Fatal(err)
		}
		want := test.want
		if want == "" || want == test.in {
			want = test.in
		}
		reader := scim.NewAnswerReader(strings.NewReader(test.in), scim.Answer{Rules: rules, Locations: locations, Length: int64(len(test.in))})
		reader.Hold()
		length, unchanged := reader.Length(), reader.Unchanged()
		got, err := io.ReadAll(reader)
		if string(got) != want || err != nil {
			t.Errorf("%s: %s\ngot  %q, %v\nwant %q", test.rules, test.name, got, err, want)
		}
		if length != int64(len(want)) || unchanged != (want == test.in) || (reader.Fired() == 0) != unchanged {
			t.Errorf("%s: %s: length %d of %d, unchanged %v, fired %q", test.rules, test.name, length, len(want), unchanged, reader.Fired())
		}
	}
}

// A null that was passed on cannot be taken back. When it is passed on does not
// depend on the pieces that come.
func TestNullFarBeforeTheSchemaStays(t *testing.T) {
	for _, before := range []int{0, scim.HoldLimit} {
		for _, distance := range []int{scim.HoldLimit - 200, scim.HoldLimit + 200} {
			in := `{"x":"` + strings.Repeat("x", before) + `","Resources":null,"x":[` + strings.Repeat("1,", distance/2) + `2],` + listSchema + `}`
			for _, source := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
				out, reader, err := answer(source, scim.AnswerRules, scim.HoldLimit, 1<<20)
				if changed := distance < scim.HoldLimit; err != nil || (out != in) != changed || reader.Fired().Has(scim.ResourcesArray) != changed {
					t.Errorf("%d bytes behind %d: %d of %d bytes, %q, %v", distance, before, len(out), len(in), reader.Fired(), err)
				}
			}
		}
	}
}

// generated makes a body of a size without holding it: prefix, as many elements
// as are needed, suffix.
type generated struct {
	rest, element, suffix string
	size                  int
}

func (g *generated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		switch {
		case g.rest != "":
		case g.size > 0:
			g.rest, g.size = g.element, g.size-len(g.element)
		case g.suffix != "":
			g.rest, g.suffix = g.suffix, ""
		default:
			return n, io.EOF
		}
		copied := copy(p[n:], g.rest)
		g.rest, n = g.rest[copied:], n+copied
	}
	return n, nil
}

const groupElement = `{"value":"2819c223-7f76-453a-919d-413861904646","$ref":"https://10.1.2.3:8443/scim/v2/Users/2819c223","display":"Babs Jensen"},`

func hugeGroup(size int) io.Reader {
	return &generated{rest: `{"id":"1","members":[`, element: groupElement, size: size, suffix: `1],"active":"true"}`}
}

// The memory that a group takes is no matter of its size, whether its members
// pass or not.
func TestHugeGroupTakesLittleMemory(t *testing.T) {
	const size = 64 << 20
	for _, rules := range []scim.Set{scim.AnswerRules, scim.AnswerRules &^ (1 << scim.ExcludedMembers)} {
		reader := scim.NewAnswerReader(hugeGroup(size), scim.Answer{Rules: rules, Locations: locations})
		buffer := make([]byte, 32<<10)
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		total, tail := 0, []byte(nil)
		for {
			n, err := reader.Read(buffer)
			total += n
			tail = append(tail, buffer[max(0, n-20):n]...)
			tail = append(tail[:0], tail[max(0, len(tail)-20):]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&now)
		if allocated := now.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
			t.Errorf("%q: %d bytes allocated", rules, allocated)
		}
		if rules.Has(scim.ExcludedMembers) {
			if total != len(`{"id":"1","active":true}`) {
				t.Errorf("%d bytes came out, of %q", total, tail)
			}
		} else if total < size || !bytes.HasSuffix(tail, []byte(`1],"active":true}`)) {
			t.Errorf("%d bytes came out, of %q at the end", total, tail)
		}
	}
}

// A name that comes again and again must not keep the answer from leaving.
func TestRepeatedResourcesTakeLittleMemory(t *testing.T) {
	body := &generated{rest: `{"a":1`, element: `,"Resources":null`, size: 16 << 20, suffix: `}`}
	reader := scim.NewAnswerReader(body, scim.Answer{Rules: scim.AnswerRules, Locations: locations})
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	if n, err := io.Copy(io.Discard, struct{ io.Reader }{reader}); err != nil || n < 16<<20 {
		t.Errorf("%d bytes came out, %v", n, err)
	}
	runtime.ReadMemStats(&now)
	if allocated := now.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
}

// stepping gives out a piece at a time, and notes how many.
type stepping struct {
	pieces []string
	given  int
}

func (s *stepping) Read(p []byte) (int, error) {
	if s.given == len(s.pieces) {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[s.given])
	s.pieces[s.given] = s.pieces[s.given][n:]
	if s.pieces[s.given] == "" {
		s.given++
	}
	return n, nil
}

func TestWhatIsReadyGoesOutBeforeMoreIsRead(t *testing.T) {
	first := `{"x":[`
	first += strings.Repeat(" ", scim.HoldLimit-len(first)-1) + "1,"
	source := &stepping{pieces: []string{first, `2],`, `"active":"tr`, `ue","y":1`, `}`}}
	reader := scim.NewAnswerReader(source, scim.Answer{Rules: scim.AnswerRules})
	buffer := make([]byte, 128<<10)
	for i, want := range []string{"", ",2]", `,"active"`, `:true,"y"`, ":1}"} {
		n, err := reader.Read(buffer)
		if i == 0 && (n != scim.HoldLimit || source.given > 1) {
			t.Fatalf("%d bytes after %d pieces", n, source.given)
		}
		if i > 0 && string(buffer[:n]) != want {
			t.Errorf("after %d pieces: %q, %v, want %q", source.given, buffer[:n], err, want)
		}
	}
}

func TestLongTokens(t *testing.T) {
	const limit = 1 << 20
	spaces := strings.Repeat(" ", limit)
	for name, test := range map[string]struct {
		in, want string
		warned   bool
		err      error
	}{
		"just short enough": {`{"active":"true","x":"` + strings.Repeat("x", limit-3) + `","active":"true"}`, `{"active":true,"x":"` + strings.Repeat("x", limit-3) + `","active":true}`, false, nil},
		"string":            {`{"active":"true","x":"` + strings.Repeat("x", limit) + `","active":"true"}`, `{"active":true,"x":"` + strings.Repeat("x", limit) + `","active":"true"}`, true, nil},
		"name":              {`{"active":"true","` + strings.Repeat("x", limit) + `":1,"active":"true"}`, `{"active":true,"` + strings.Repeat("x", limit) + `":1,"active":"true"}`, true, nil},
		"number":            {`{"active":"true","x":` + strings.Repeat("1", limit+1) + `,"active":"true"}`, `{"active":true,"x":` + strings.Repeat("1", limit+1) + `,"active":"true"}`, true, nil},
		"white space":       {`{"active":"true",` + spaces + `"active":"true"}`, `{"active":true,` + spaces + `"active":"true"}`, true, nil},
		"in members":        {`{"active":"true","members":["` + strings.Repeat("x", limit) + `"]}`, `{"active":true`, false, scim.ErrMembers},
		"after members":     {`{"active":"true","members":1,"x":"` + strings.Repeat("x", limit) + `","members":1}`, `{"active":true,"x":"` + strings.Repeat("x", limit) + `","members":1}`, true, nil},
		"after members that come first": {`{"members":[],"x":1,"` + strings.Repeat("x", limit) + `":"true"}`,
			`{"x":1,"` + strings.Repeat("x", limit) + `":"true"}`, true, nil},
		"right after members that come first": {`{"members":[],"` + strings.Repeat("x", limit) + `":"true"}`, `{`, false, scim.ErrMembers},
	} {
		out, reader, err := answer(strings.NewReader(test.in), scim.AnswerRules, scim.HoldLimit, limit)
		if out != test.want || !errors.Is(err, test.err) || (reader.Warning() != nil) != test.warned {
			t.Errorf("%s: %d bytes, want %d; %v, want %v; warning %v", name, len(out), len(test.want), err, test.err, reader.Warning())
		}
		if test.warned && !errors.Is(reader.Warning(), scim.ErrToken) {
			t.Errorf("%s: warning %v", name, reader.Warning())
		}
	}
}

// What is wrong in a long answer ends the repair there; in its held part, it is
// undone.
func TestBrokenLongAnswers(t *testing.T) {
	long := `"x":[` + strings.Repeat("1,", scim.HoldLimit) + `1]`
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		in, want string
		err      error
	}{
		"early":            {`{"active":"true",,` + long + `}`, `{"active":"true",,` + long + `}`, nil},
		"pending null":     {`{` + long + `,"Resources":null,,}`, `{` + long + `,"Resources":null,,}`, nil},
		"after members":    {`{"members":[` + long[5:] + `"x":1}`, `{`, scim.ErrMembers},
		"late":             {`{"active":"true",` + long + `,"active":"true"],"active":"true"}`, `{"active":true,` + long + `,"active":true],"active":"true"}`, nil},
		"cut":              {`{"active":"true",` + long + `,"active":"tr`, `{"active":true,` + long + `,"active":"tr`, nil},
		"members":          {`{"active":"true",` + long + `,"members":[ }`, `{"active":true,` + long, scim.ErrMembers},
		"members' name":    {`{"active":"true",` + long + `,"members" }`, `{"active":true,` + long, scim.ErrMembers},
		"members cut":      {`{"active":"true",` + long + `,"members":[`, `{"active":true,` + long, scim.ErrMembers},
		"error in members": {`{"id":"1",` + long + `,"members":[1` + "!", `{"id":"1",` + long, broken},
		"read error":       {`{"active":"true",` + long + `,"active":"tr` + "!", `{"active":true,` + long + `,"active":"tr`, broken},
		"early and error":  {`{"active":"true","x":"` + "!", `{"active":"true","x":"`, broken},
	} {
		var source io.Reader = strings.NewReader(test.in)
		if in, found := strings.CutSuffix(test.in, "!"); found {
			source = io.MultiReader(strings.NewReader(in), failing{broken})
		}
		out, _, err := answer(source, scim.AnswerRules, scim.HoldLimit, 1<<20)
		if out != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %d bytes, want %d; %v, want %v", name, len(out), len(test.want), err, test.err)
		}
	}
}

func TestEmptyRead(t *testing.T) {
	source := &stepping{pieces: []string{`{"active":"true"` + strings.Repeat(" ", scim.HoldLimit), "}"}}
	reader := scim.NewAnswerReader(source, scim.Answer{Rules: scim.AnswerRules})
	if n, err := reader.Read(nil); n != 0 || err != nil || source.given > 1 {
		t.Errorf("%d, %v, after %d pieces", n, err, source.given)
	}
}

// A token that comes in small pieces is looked at once, or this takes minutes.
func TestLongTokenInSmallPieces(t *testing.T) {
	for _, token := range []string{`"` + strings.Repeat("x", 1<<18) + `"`, strings.Repeat("1", 1<<18)} {
		in := `{"active":"true","x":` + token + `}`
		source := iotest.OneByteReader(strings.NewReader(in))
		if out, _, err := answer(source, scim.AnswerRules, 1024, 1<<20); err != nil || len(out) != len(in)-2 {
			t.Errorf("%d bytes, %v", len(out), err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestHoldLimit(t *testing.T) {
	for _, size := range []int{scim.HoldLimit, scim.HoldLimit + 1} {
		in := `{"active":"true","x":"` + strings.Repeat("x", size-len(`{"active":"true","x":""}`)) + `"}`
		for _, source := range []io.Reader{strings.NewReader(in), iotest.DataErrReader(strings.NewReader(in))} {
			reader := scim.NewAnswerReader(source, scim.Answer{Rules: scim.AnswerRules})
			reader.Hold()
			if known := reader.Length() == int64(size-len(`""`)); known != (size <= scim.HoldLimit) || !known && reader.Length() != -1 {
				t.Errorf("%d bytes: length %d", size, reader.Length())
			}
			if out, err := io.ReadAll(reader); err != nil || len(out) != size-len(`""`) {
				t.Errorf("%d bytes: %d, %v", size, len(out), err)
			}
		}
	}
}

func TestCreated(t *testing.T) {
	for in, want := range map[string][2]string{
		`{"id":"1\u00fc","meta":{"location":"/Users/1"}}`:                                {"https://contoso-scim.azurewebsites.net/scim/Users/1", "1ü"},
		`{"ID":"1","meta":{"location":"https://elsewhere.example.com/1"}}`:               {"https://elsewhere.example.com/1", "1"},
		`{"id":1,"meta":{"location":null},"x":{"id":"2","meta":{"location":"Users/2"}}}`: {"", ""},
		`{"Resources":[{"id":"1","meta":{"location":"/Users/1"}}]}`:                      {"", ""},
		`{"id":"1","meta":{"location":"/Users/1"}`:                                       {"", ""},
	} {
		_, reader, _ := answer(strings.NewReader(in), scim.AnswerRules, scim.HoldLimit, 1<<20)
		if location, id := reader.Created(); location != want[0] || id != want[1] {
			t.Errorf("%s: %q, %q", in, location, id)
		}
	}
}

func TestExcludesMembers(t *testing.T) {
	for query, want := range map[string]bool{
		"excludedAttributes=members":                                                             true,
		"excludedAttributes=MEMBERS&filter=a":                                                    true,
		"filter=a&excludedAttributes=externalId,members":                                         true,
		"excludedAttributes=externalId%2C%20Members+":                                            true,
		"excludedAttributes=a&excludedAttributes=members":                                        true,
		"excludedAttributes=urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Acore%3A2.0%3AGroup%3Amembers": true,
		"":                                 false,
		"excludedAttributes=":              false,
		"excludedAttributes=member":        false,
		"excludedAttributes=members.value": false,
		"attributes=members":               false,
		"excludedAttributes=%zz":           false,
	} {
		if got := scim.ExcludesMembers(query); got != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}

// Reading an answer that needs no repair costs the reader and its window.
func TestAnswerAllocations(t *testing.T) {
	body := `{"id":"1","active":true,"meta":{"location":"https://elsewhere.example.com/1"}}`
	source, buffer := strings.NewReader(""), make([]byte, 1024)
	if n := testing.AllocsPerRun(100, func() {
		source.Reset(body)
		reader := scim.NewAnswerReader(source, scim.Answer{Rules: scim.AnswerRules &^ (1 << scim.Location), Length: int64(len(body))})
		for err := error(nil); err == nil; {
			_, err = reader.Read(buffer)
		}
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
