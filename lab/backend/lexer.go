package backend

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenString
	tokenOpen
	tokenClose
	tokenOpenBracket
	tokenCloseBracket
)

// token is one lexical unit of a filter or path.
type token struct {
	kind   tokenKind
	text   string // of a string, its value
	spaced bool   // a space, or the beginning, stands before it
}

// is reports whether t is the word, which is case insensitive (RFC 7644
// section 3.4.2.2).
func (t token) is(word string) bool { return t.kind == tokenWord && sameName(t.text, word) }

var punctuation = map[byte]tokenKind{
	'(': tokenOpen, ')': tokenClose, '[': tokenOpenBracket, ']': tokenCloseBracket,
}

// lex splits text into tokens, of which the last is tokenEnd.
func lex(text string) ([]token, error) {
	if !utf8.ValidString(text) {
		return nil, refuse(invalidFilter, "the filter is not valid UTF-8")
	}
	var tokens []token
	for rest := text; ; {
		trimmed := strings.TrimLeft(rest, " ")
		spaced := len(tokens) == 0 || len(trimmed) < len(rest)
		if rest = trimmed; rest == "" {
			return append(tokens, token{kind: tokenEnd, spaced: spaced}), nil
		}
		t, length := scan(rest)
		if length == 0 {
			return nil, refuse(invalidFilter, "unexpected %q in the filter", rest)
		}
		t.spaced = spaced
		tokens = append(tokens, t)
		rest = rest[length:]
	}
}

// scan reads the token at the beginning of text; length 0 means there is none.
func scan(text string) (t token, length int) {
	if kind, ok := punctuation[text[0]]; ok {
		return token{kind: kind, text: text[:1]}, 1
	}
	if text[0] == '"' {
		length = stringLength(text)
		var value string
		if json.Unmarshal([]byte(text[:length]), &value) != nil {
			return token{}, 0
		}
		return token{kind: tokenString, text: value}, length
	}
	for length < len(text) && isWordByte(text[length]) {
		length++
	}
	return token{kind: tokenWord, text: text[:length]}, length
}

// stringLength is the length of the JSON string that text begins with, up to
// and including the quote that ends it, if there is one.
func stringLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// isWordByte reports whether c may be in a name, URN, keyword or number.
func isWordByte(c byte) bool {
	return isAlpha(c) || '0' <= c && c <= '9' || strings.IndexByte("-_$.:+", c) >= 0
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// parseAttrPath splits text into schema, attribute and sub-attribute. The
// last colon ends the URN, so that the dot in "2.0" separates nothing.
func parseAttrPath(text string) (attrPath, bool) {
	var p attrPath
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 {
		p.urn, text = text[:colon], text[colon+1:]
		if len(p.urn) < 4 || !sameName(p.urn[:4], "urn:") {
			return p, false
		}
	}
	var dotted bool
	if p.name, p.sub, dotted = strings.Cut(text, "."); dotted && !isName(p.sub) {
		return p, false
	}
	return p, isName(p.name)
}

// parseSubAttribute reads the ".name" behind a value filter.
func parseSubAttribute(text string) (string, bool) {
	name, ok := strings.CutPrefix(text, ".")
	return name, ok && isName(name)
}

// isName reports whether text is the name of an attribute (RFC 7643 section
// 2.1, ATTRNAME, with the "$ref" that the schemas themselves use).
func isName(text string) bool {
	bare := strings.TrimPrefix(text, "$")
	if bare == "" || !isAlpha(bare[0]) {
		return false
	}
	for i := range len(bare) {
		if c := bare[i]; !isWordByte(c) || strings.IndexByte("$.:+", c) >= 0 {
			return false
		}
	}
	return true
}
