package scim

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// scanned is a token by its place in the text.
type scanned struct {
	kind       byte // the first
	start, end int
	depth      int
}

// decoded reads the tokens of a text with jsontext, up to the end of the first
// value, or to what is no JSON.
func decoded(text string) (tokens []scanned, whole bool) {
	decoder := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		token, err := decoder.ReadToken()
		if err != nil {
			return tokens, false
		}
		found := scanned{kind: byte(token.Kind()), end: int(decoder.InputOffset()), depth: decoder.StackDepth()}
		if decoder.StackDepth() > maxDepth {
			return tokens, false
		}
		found.start = found.end - 1
		switch found.kind {
		case '"', '0', 't', 'f', 'n':
			found.start = len(text[:found.end]) - len(lastScalar(text, tokens, found.end))
		}
		found.kind = text[found.start]
		tokens = append(tokens, found)
		if decoder.StackDepth() == 0 {
			return tokens, true
		}
	}
}

// lastScalar is the text between the token before and end, without what
// separates the two.
func lastScalar(text string, before []scanned, end int) string {
	from := 0
	if len(before) > 0 {
		from = before[len(before)-1].end
	}
	return strings.TrimLeft(text[from:end], " \t\r\n,:")
}

// scan reads the tokens of a text in pieces of n bytes.
func scan(text string, n, quiet int) (tokens []scanned, whole bool) {
	s := scanner{expect: expectValue, values: quiet, names: quiet, lengths: 1<<64 - 1}
	base := 0
	rest := []byte(text)
	for {
		switch s.next() {
		case foundToken:
			tokens = append(tokens, scanned{s.kind, base + s.start, base + s.end, s.depth})
			if s.depth == 0 {
				return tokens, true
			}
		case foundEnd:
			if len(rest) == 0 {
				return tokens, false
			}
			piece := rest[:min(n, len(rest))]
			rest = rest[len(piece):]
			base += s.end
			s.shift(s.end)
			s.window = append(s.window, piece...)
		default:
			return tokens, false
		}
	}
}

func FuzzScannerAgreesWithJSONText(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-2.5e+7,true,false,null,"x\u00e9\n",{}],"a":{"b":[]}}`, "\t[\r\n1 ,2 ]x", `{"a":01}`, `{"a":-}`, `[1.]`, `[1e]`, `[.5]`, `[+1]`,
		`{"a"1}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `{1:2}`, `[1 2]`, `{"a":1 "b":2}`, `[}`, `{]`, `[tru]`, `[nulll]`, `["\x"]`, `["\u12g4"]`,
		`["\ud800"]`, "[\"\xff\"]", "[\"a\x1f\"]", `"text"`, `17 `, `true `, ``, ` `, `[1`, `["a`, `["a\`, strings.Repeat("[", 65), strings.Repeat("[", 64) + strings.Repeat("]", 64),
		`{"12345678":"1234567\"89","":"\\\\\\"}`, "[\"1234567\x0089\"]", `[0e0,1E-5,-0,0.0]`, `[-01]`, `[1-2]`, "[\"\x7f\u0080\U0001f600\"]",
	} {
		f.Add(text, byte(0), byte(200))
		f.Add(text, byte(255), byte(1))
	}
	f.Fuzz(func(t *testing.T, text string, n, quiet byte) {
		want, wantWhole := decoded(text)
		want = slices.DeleteFunc(want, func(token scanned) bool { return token.depth > int(quiet) })
		got, whole := scan(text, int(n)+1, int(quiet))
		// A text that is a number is over only with what follows, which need not
		// be JSON. No answer is one.
		if first := strings.TrimLeft(text, " \t\r\n"); first != "" && strings.Contains("-0123456789", first[:1]) {
			return
		}
		if whole != wantWhole {
			t.Fatalf("whole: %v, want %v", whole, wantWhole)
		}
		if wantWhole && !slices.Equal(got, want) {
			t.Fatalf("tokens %v\nwant   %v", got, want)
		}
		if !wantWhole && !isPrefix(got, want) {
			t.Fatalf("tokens %v\nare not the first of %v", got, want)
		}
	})
}

func isPrefix(got, want []scanned) bool {
	return len(got) <= len(want) && slices.Equal(got, want[:len(got)])
}
