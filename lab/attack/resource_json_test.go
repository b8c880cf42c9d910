package attack

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// maxBody is the default of MAX_BODY.
const maxBody = 1 << 20

// document is a body, or a value within one, that readers of JSON differ on, or
// that costs them much.
type document struct {
	id     string
	value  string // of an attribute
	whole  string // the body itself, if value is empty
	broken bool   // refused where a rule reads it
	over   bool   // it is over MAX_BODY, and refused everywhere
}

// documents are all of them.
func documents() []document {
	var list []document
	for _, each := range values {
		list = append(list, document{id: each[0], value: each[1]})
	}
	for _, each := range brokenValues {
		list = append(list, document{id: each[0], value: each[1], broken: true})
	}
	for _, each := range brokenTexts {
		list = append(list, document{id: each[0], whole: each[1], broken: true})
	}
	return append(list,
		document{id: "white space around it", whole: " \t\r\n" + `{"a":1}` + strings.Repeat(" \n", 1000)},
		document{id: "a body of MAX_BODY", whole: `{"a":"` + strings.Repeat("x", maxBody-8) + `"}`},
		document{id: "a byte over MAX_BODY", whole: `{"a":"` + strings.Repeat("x", maxBody-7) + `"}`, over: true},
		document{id: "ten times MAX_BODY of zeros", whole: strings.Repeat("0", 10*maxBody), over: true},
	)
}

// values pass as they are, whatever another reader makes of them.
var values = [][2]string{
	{"60 arrays deep", strings.Repeat("[", 60) + strings.Repeat("]", 60)}, {"60 objects deep", strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)},
	{"100,000 values", "[0" + strings.Repeat(",0", 99_999) + "]"}, {"30,000 members", members(30_000)}, {"a name of 500 KB", `{"` + strings.Repeat("n", 500_000) + `":1}`},
	{"a string of 1,000,000 bytes", `"` + strings.Repeat("s", 1_000_000) + `"`}, {"160,000 escapes", `"` + strings.Repeat(`\u0041`, 160_000) + `"`}, {"100,000 escaped pairs", `"` + strings.Repeat(`\"\\`, 100_000) + `"`},
	{"1e999999", "1e999999"}, {"-1e-999999", "-1e-999999"}, {"1,000,000 digits", "1" + strings.Repeat("0", 999_999)}, {"1,000,000 digits behind a point", "0." + strings.Repeat("1", 1_000_000)}, {"an exponent of 1,000 digits", "1e" + strings.Repeat("9", 1000)},
	{"2^53+1 (RFC 7493 section 2.2)", "9007199254740993"}, {"minus zero", "-0"}, {"0.1e+01", "0.1e+01"}, {"1E400", "1E400"},
	{"an escaped NUL", `"a\u0000b"`}, {"escaped line breaks", `"\r\n\u000d\u000a\u2028\u2029\u0085"`}, {"U+2028, U+2029", "\"\u2028\u2029\""}, {"bidirectional controls", "\"\u202e\u2066\u200f\""},
	{"a surrogate pair", `"\ud83d\ude00"`}, {"non-characters", "\"\uffff\ufffe\U0010ffff\""}, {"a mark of byte order within", "\"\ufeff\""}, {"the replacement character", "\"\ufffd\""}, {"an escaped slash", `"<\/script>"`},
	{"names that differ in case", `{"k":1,"K":2}`}, {"__proto__", `{"__proto__":{"admin":true},"constructor":{"prototype":{}}}`}, {"names that look like paths", `{"a.b":1,"a[b eq 1]":2,"$ref":"http://169.254.169.254/"}`}, {"an empty name", `{"":{"":1}}`},
}

// members is an object of so many.
func members(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `,"m%d":0`, i)
	}
	return "{" + text.String()[1:] + "}"
}

// brokenValues are refused where a rule would read them.
var brokenValues = [][2]string{
	{"65 arrays deep", strings.Repeat("[", 65) + strings.Repeat("]", 65)}, {"10,000 arrays deep", strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)}, {"10,000 objects deep", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)},
	{"200,000 values", "[0" + strings.Repeat(",0", 199_999) + "]"}, {"80,000 empty arrays and objects", "[[]" + strings.Repeat(",[],{}", 80_000) + "]"},
	{"a name twice (RFC 7493 section 2.3)", `{"k":1,"k":2}`}, {"a name twice, one escaped", `{"k":1,"\u006b":2}`}, {"a name twice, far apart", `{"k":1,` + members(10_000)[1:len(members(10_000))-1] + `,"k":2}`}, {"a name 10,000 times", "{" + strings.Repeat(`"k":1,`, 10_000) + `"k":1}`}, {"an empty name twice", `{"":1,"":2}`},
	{"01", "01"}, {"+1", "+1"}, {"1.", "1."}, {".5", ".5"}, {"1e", "1e"}, {"1e+", "1e+"}, {"0x10", "0x10"}, {"1_000", "1_000"}, {"NaN", "NaN"}, {"Infinity", "-Infinity"}, {"--1", "--1"}, {"full-width digits", "\uff11"},
	{"0xff", "\"\xff\""}, {"an overlong slash (RFC 3629 section 10)", "\"\xc0\xaf\""}, {"an overlong NUL", "\"\xc0\x80\""}, {"an encoded surrogate", "\"\xed\xa0\x80\""}, {"CESU-8", "\"\xed\xa0\xbd\xed\xb8\x80\""}, {"beyond U+10FFFF", "\"\xf4\x90\x80\x80\""}, {"a truncated sequence", "\"\xe2\x82\""}, {"Latin-1", "\"Ren\xe9\""}, {"broken UTF-8 in a name", "{\"\xff\":1}"},
	{"a lone high surrogate (RFC 7493 section 2.1)", `"\ud800"`}, {"a lone low one", `"\udc00"`}, {"a high one and a letter", `"\ud800a"`}, {"a high one and an escaped letter", `"\ud800\u0041"`}, {"a pair the wrong way round", `"\ude00\ud83d"`}, {"a lone surrogate in a name", `{"\ud800":1}`},
	{"a raw NUL", "\"\x00\""}, {"a raw tab", "\"\t\""}, {"a raw line break", "\"\n\""}, {"a raw escape", "\"\x1b[2J\""}, {`\x41`, `"\x41"`}, {`\u{41}`, `"\u{41}"`}, {`\u12`, `"\u12"`}, {`\'`, `"\'"`}, {"an escaped line break", "\"\\\n\""},
	{"single quotes", `'a'`}, {"no quotes", `a`}, {"True", "True"}, {"nul", "nul"}, {"nulll", "nulll"}, {"undefined", "undefined"}, {"a comment behind", "1/* a */"}, {"a comment in front", "/**/1"}, {"a line comment", "1 // a\n"}, {"a hash comment", "1 # a\n"},
	{"a comma behind an element", "[1,]"}, {"two commas", "[1,,2]"}, {"a comma first", "[,1]"}, {"no comma", "[1 2]"}, {"a comma behind a member", `{"a":1,}`}, {"no colon", `{"a" 1}`}, {"an equals sign", `{"a"=1}`}, {"a name without quotes", `{a:1}`}, {"a number for a name", `{1:1}`},
	{"the wrong bracket", "[1}"}, {"the wrong brace", `{"a":1]`}, {"a bracket too many", "[1]]"}, {"a form feed", "\f1"}, {"a no-break space", "\u00a01"}, {"a zero-width space", "\u200b1"}, {"a NUL behind", "1\x00"}, {"a record separator", "\x1e1"},
}

// brokenTexts are refused likewise, as the whole body.
var brokenTexts = [][2]string{
	{"a mark of byte order (RFC 8259 section 8.1)", "\ufeff{}"}, {"UTF-16", "\xff\xfe{\x00}\x00"}, {"UTF-16 without a mark", "\x00{\x00}"}, {"UTF-32", "{\x00\x00\x00}\x00\x00\x00"}, {"truncated", `{"a":`}, {"truncated in a string", `{"a":"b`}, {"truncated in an escape", `{"a":"\u00`}, {"truncated in a literal", `{"a":tru`},
	{"two values", "{}{}"}, {"two values, a line each", "{\"a\":1}\n{\"a\":2}"}, {"more behind it", `{"a":1}x`}, {"a NUL behind it", "{}\x00"}, {"a record separator in front", "\x1e{}\n"}, {"a prefix against theft", ")]}',\n{}"}, {"white space alone", " \r\n\t "}, {"a brace", "}"}, {"500,000 brackets", strings.Repeat("[", 500_000)},
	{"500,000 open objects", strings.Repeat(`{"":`, 250_000)}, {"XML", "<?xml version=\"1.0\"?><a/>"}, {"a form", "userName=a&active=true"}, {"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00"}, {"CBOR", "\xa1\x61a\x01"}, {"a multipart body", "--x\r\n\r\n{}\r\n--x--\r\n"},
}

// writes are the calls whose bodies rules read, and what a body with an
// attribute is there.
var writes = []struct{ line, body string }{
	{"POST /scim/Users?attributes={mark}", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"adele@contoso.com","x":%s}`},
	{"PUT /scim/Users/{mark}", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"adele@contoso.com","x":%s}`},
	{"PATCH /scim/Users/{mark}", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"x","value":%s}]}`},
	{"POST /scim/Groups?attributes={mark}", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Staff","x":%s}`},
	{"PATCH /scim/Groups/x-MQ?attributes={mark}", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"x","value":%s}]}`},
}

// tryDocuments sends each as each write. Where rules read it, it is refused and
// not sent, or passes byte for byte; where none does, it passes.
func tryDocuments(t *testing.T, w *world, ruled bool) {
	var trials []trial
	for _, d := range documents() {
		for i, write := range writes {
			if !ruled && i > 0 {
				break // they are all the same
			}
			each := trial{name: d.id + ", " + write.line, line: write.line, body: []byte(d.whole), passes: true}
			if d.value != "" {
				each.body = fmt.Appendf(nil, write.body, d.value)
			}
			stubbed := ruled && strings.Contains(write.line, "Groups")
			switch {
			case d.over || len(each.body) > maxBody:
				each.want, each.passes = []int{http.StatusRequestEntityTooLarge}, false
				if w.behindHost {
					// The host may find the connection closed before it has sent all.
					each.want = append(each.want, http.StatusInternalServerError)
				}
			case ruled && d.broken:
				each.want, each.scimType, each.passes = []int{http.StatusBadRequest}, "invalidSyntax", false
			case stubbed && d.value != "":
				each.want, each.passes = []int{http.StatusCreated, http.StatusNoContent}, false
			case stubbed:
				each.want, each.passes = []int{http.StatusBadRequest, http.StatusNoContent}, false
			}
			trials = append(trials, each)
		}
	}
	w.try(t, trials)
}
