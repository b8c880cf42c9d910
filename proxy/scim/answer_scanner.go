package scim

import (
	"encoding/binary"
	"math/bits"
)

// found is what became of the search for a token.
type found uint8

const (
	foundToken   found = iota
	foundEnd           // of the window, before that of a token
	foundInvalid       // what JSON does not allow
	foundDeep          // objects and arrays nested deeper than maxDepth
)

// expected are the tokens that JSON allows at a place, as bits.
type expected uint8

const (
	expectValue expected = 1 << iota
	expectName
	expectColon
	expectComma
	expectClose
)

// scanner finds the tokens of a JSON text (RFC 8259) in a window on it. It takes
// what jsontext.Decoder takes with AllowDuplicateNames and AllowInvalidUTF8
// (FuzzScannerAgreesWithJSONText), but is faster by half, and works in place: a
// list of users has a token for every eleven bytes, and the decoder alone took
// the time that the whole repair may take (BenchmarkAnswer).
//
// The offsets are into the window, which its owner extends and shifts.
type scanner struct {
	window []byte
	start  int // of the last token that counted
	before int // behind the token before that, whether or not it counted
	end    int // behind the last token

	depth   int  // behind the last token; of objects and arrays
	kind    byte // the first of the last token that counted
	isName  bool // the last token is a member's name
	isFirst bool // of its object
	escaped bool // the last string has escape sequences

	// Those tokens count that are not deeper than values, and of the names those
	// that are not deeper than names and have one of lengths, a bit for each, or
	// escape sequences. An object or array has a depth from its opening token on,
	// which its closing token ends.
	values, names int
	lengths       uint64

	at      int      // what is before is done with
	resume  int      // within the token at at, what is before is done with; 0 if nothing is
	expect  expected // at at
	objects uint64   // a bit for each open object or array, the innermost last: it is an object
}

// longName is the bit for a length of this and more.
const longName = 63

// next finds the next token that counts. A text is over when the depth is 0
// again.
func (s *scanner) next() found {
	for at := s.at; at < len(s.window); {
		var result found
		start, kind := at, s.window[at]
		s.isName = false
		switch kind {
		case ' ', '\n', '\t', '\r':
			at++
			continue
		case ',', ':':
			if !s.delimiter(kind) {
				return foundInvalid
			}
			at++
			continue
		case '{', '[':
			at, result = at+1, s.open(kind)
		case '}', ']':
			at, result = at+1, s.close(kind)
		case '"':
			s.isName = s.expect&expectName != 0
			s.isFirst = s.expect&expectClose != 0
			at, result = s.string(at)
		default:
			at, result = s.literal(at)
		}
		if result == foundEnd {
			s.at, s.resume = start, at
		}
		if result != foundToken {
			return result
		}
		s.before, s.end, s.at, s.resume = s.end, at, at, 0
		if s.counts(at - start) {
			s.start, s.kind = start, kind
			return foundToken
		}
	}
	s.at = len(s.window)
	return foundEnd
}

func (s *scanner) counts(length int) bool {
	if s.isName {
		return s.depth <= s.names && (s.escaped || s.lengths>>min(length-len(`""`), longName)&1 != 0)
	}
	return s.depth <= s.values
}

func (s *scanner) delimiter(kind byte) (ok bool) {
	if kind == ':' {
		ok = s.expect&expectColon != 0
		s.expect = expectValue
		return ok
	}
	ok = s.expect&expectComma != 0
	s.expect = expectValue << (s.objects & 1)
	return ok
}

func (s *scanner) open(kind byte) found {
	switch {
	case s.expect&expectValue == 0:
		return foundInvalid
	case s.depth == maxDepth:
		return foundDeep
	}
	s.depth++
	s.objects <<= 1
	s.expect = expectValue | expectClose
	if kind == '{' {
		s.objects |= 1
		s.expect = expectName | expectClose
	}
	return foundToken
}

func (s *scanner) close(kind byte) found {
	isObject := s.objects&1 != 0
	if s.expect&expectClose == 0 || isObject != (kind == '}') {
		return foundInvalid
	}
	s.depth--
	s.objects >>= 1
	s.expect = expectComma | expectClose
	return foundToken
}

// shift lets the first n bytes of the window go.
func (s *scanner) shift(n int) {
	s.window = append(s.window[:0], s.window[n:]...)
	s.start, s.before, s.end, s.at = s.start-n, s.before-n, s.end-n, s.at-n
	s.resume = max(s.resume-n, 0)
}

// string reads the string at at, and returns where it ends, or how far it came.
func (s *scanner) string(at int) (end int, result found) {
	if !s.isName && s.expect&expectValue == 0 {
		return at, foundInvalid
	}
	if s.resume == 0 {
		s.escaped = false
	}
	if end, result = s.stringEnd(max(at+1, s.resume)); result != foundToken {
		return end, result
	}
	s.expect = expectComma | expectClose
	if s.isName {
		s.expect = expectColon
	}
	return end, foundToken
}

// Masks for eight bytes at a time.
const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// stringEnd looks for a string's end from within. It skips eight bytes at a time
// if no quote, backslash or control character is among them: of a byte below
// 0x80, x-n has the high bit set if x is below n, as has x^q-1 if x is q. Borrows
// spoil only what is behind the first such byte.
func (s *scanner) stringEnd(at int) (end int, result found) {
	for window := s.window; at < len(window); {
		if at+8 <= len(window) {
			word := binary.LittleEndian.Uint64(window[at:])
			special := ((word ^ '"'*eachByte) - eachByte) | ((word ^ '\\'*eachByte) - eachByte) | (word - ' '*eachByte)
			if special &= highBits &^ word; special == 0 {
				at += 8
				continue
			}
			at += bits.TrailingZeros64(special) / 8
		}
		switch b := window[at]; {
		case b == '"':
			return at + 1, foundToken
		case b == '\\':
			s.escaped = true
			n, result := escape(window[at:])
			if result != foundToken {
				return at, result
			}
			at += n
		case b < ' ':
			return at, foundInvalid
		default:
			at++
		}
	}
	return at, foundEnd
}

// escape returns the length of the escape sequence that text begins with (RFC
// 8259 section 7).
func escape(text []byte) (int, found) {
	if len(text) < 2 {
		return 0, foundEnd
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, foundToken
	case 'u':
		for i := 2; i < 6; i++ {
			if i == len(text) {
				return 0, foundEnd
			}
			if !isHex(text[i]) {
				return 0, foundInvalid
			}
		}
		return 6, foundToken
	}
	return 0, foundInvalid
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

// literal reads the literal or number at at, and returns where it ends, or how
// far it came. A number ends only with what follows it.
func (s *scanner) literal(at int) (end int, result found) {
	if s.expect&expectValue == 0 {
		return at, foundInvalid
	}
	switch s.window[at] {
	case 't':
		end, result = literalEnd(s.window, at, "true")
	case 'f':
		end, result = literalEnd(s.window, at, "false")
	case 'n':
		end, result = literalEnd(s.window, at, "null")
	default:
		end, result = numberEnd(s.window, at, max(at, s.resume))
	}
	if result == foundToken {
		s.expect = expectComma | expectClose
	}
	return end, result
}

func literalEnd(window []byte, at int, want string) (end int, result found) {
	n := min(len(window)-at, len(want))
	switch {
	case string(window[at:at+n]) != want[:n]:
		return at, foundInvalid
	case n < len(want):
		return at, foundEnd
	}
	return at + n, foundToken
}

func numberEnd(window []byte, at, end int) (int, found) {
	for end < len(window) && isNumberByte(window[end]) {
		end++
	}
	switch {
	case end == len(window):
		return end, foundEnd
	case !isNumber(window[at:end]):
		return at, foundInvalid
	}
	return end, foundToken
}

func isNumberByte(b byte) bool {
	return '0' <= b && b <= '9' || b == '-' || b == '+' || b == '.' || b == 'e' || b == 'E'
}

// isNumber reports whether a text is a number (RFC 8259 section 6).
func isNumber(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	whole := digits(text)
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	text = text[whole:]
	if len(text) > 0 && text[0] == '.' {
		fraction := digits(text[1:])
		if fraction == 0 {
			return false
		}
		text = text[1+fraction:]
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		exponent := digits(text)
		return exponent > 0 && exponent == len(text)
	}
	return len(text) == 0
}

// digits counts the digits that a text begins with.
func digits(text []byte) int {
	for i, b := range text {
		if b < '0' || b > '9' {
			return i
		}
	}
	return len(text)
}
