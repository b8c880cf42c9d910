package scim

import (
	"bytes"
	"slices"
)

// opCase writes op in lower case.
func opCase(_ *run, o *operation) (bool, error) {
	if string(o.element.value.member("op").value.unquoted()) == verbs[o.verb] {
		return false, nil
	}
	o.setVerb(o.verb)
	return true, nil
}

// attributeCase writes the standard names in a path as the RFC does.
func attributeCase(r *run, s *site) bool {
	if s.known == nil {
		return false
	}
	name, filter, sub := []byte(s.known.name), s.standardFilter(), s.sub
	if known := s.knownSub(); known != "" {
		sub = []byte(known)
	}
	return s.renameTo(r, name, filter, sub)
}

// standardFilter returns the path's filter with the standard spelling of the
// names in it.
func (p *path) standardFilter() []byte {
	if p.known == nil {
		return p.filter
	}
	return eachWord(p.filter, func(word []byte, before [2][]byte) string {
		if slices.ContainsFunc(operators, func(operator string) bool { return equalFold(before[1], operator) }) {
			return "" // an operand
		}
		return p.known.sub(word)
	})
}

// operators are those with an operand (RFC 7644 section 3.4.2.2).
var operators = []string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"}

// subAttributeCase does the same for the sub-attributes in a value.
func subAttributeCase(_ *run, s *site) bool {
	if s.known == nil || s.sub != nil {
		return false
	}
	changed := false
	for object := range s.value.objects() {
		if canonical(object, s.known.subs) {
			changed = true
		}
	}
	return changed
}

// extensionDot puts a colon between schema and attribute.
func extensionDot(r *run, s *site) bool {
	if !s.dotted {
		return false
	}
	s.dotted = false
	s.rename(r, s.with(s.attribute, s.filter, s.sub))
	return true
}

// primaryFilter turns the string that primary is compared with into a boolean.
func primaryFilter(r *run, s *site) bool {
	if s.filter == nil {
		return false
	}
	return s.renameTo(r, s.attribute, primaryLiterals(s.filter), s.sub)
}

// primaryLiterals replaces the strings that primary is compared with in a
// filter.
func primaryLiterals(filter []byte) []byte {
	return eachWord(filter, func(word []byte, before [2][]byte) string {
		if equalFold(before[0], "primary") && isComparison(before[1]) && len(word) > 1 && word[0] == '"' {
			return boolean(word[1 : len(word)-1])
		}
		return ""
	})
}

// isComparison reports whether a word compares for equality.
func isComparison(word []byte) bool { return equalFold(word, "eq") || equalFold(word, "ne") }

// eachWord calls replace with each word of a filter and the two before it, and
// returns the filter with what it returns instead, if that is not "".
func eachWord(filter []byte, replace func(word []byte, before [2][]byte) string) []byte {
	var out []byte // nil while nothing was replaced
	var before [2][]byte
	for at := 0; at < len(filter); {
		word := filter[at : at+wordEnd(filter[at:])]
		by := replace(word, before)
		if by != "" && by != string(word) && out == nil {
			out = append(make([]byte, 0, len(filter)), filter[:at]...)
		}
		switch {
		case out == nil:
		case by != "":
			out = append(out, by...)
		default:
			out = append(out, word...)
		}
		if word[0] != ' ' && word[0] != '\t' {
			before = [2][]byte{before[1], word}
		}
		at += len(word)
	}
	if out == nil {
		return filter
	}
	return out
}

// isFilter reports whether a filter compares something, or asks for presence.
func isFilter(filter []byte) bool {
	var words [2][]byte // the last two
	count := 0
	eachWord(filter, func(word []byte, _ [2][]byte) string {
		if word[0] != ' ' && word[0] != '\t' && word[0] != '(' && word[0] != ')' {
			words = [2][]byte{words[1], word}
			count++
		}
		return ""
	})
	return count > 2 || count == 2 && equalFold(words[1], "pr")
}

// wordEnd returns the end of the string, the run of blanks, the parenthesis or
// the word that text begins with.
func wordEnd(text []byte) int {
	switch first := text[0]; first {
	case '(', ')':
		return 1
	case '"':
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(text)
	case ' ', '\t':
		return len(text) - len(bytes.TrimLeft(text, " \t"))
	}
	if end := bytes.IndexAny(text, " \t()\""); end >= 0 {
		return end
	}
	return len(text)
}

// boolean returns the boolean that a text spells, whatever its case; "" if it
// does not.
func boolean(text []byte) string {
	for _, literal := range []string{"true", "false"} {
		if equalFold(text, literal) {
			return literal
		}
	}
	return ""
}

// renameTo gives the parts of the site's name other texts, and reports whether
// one differs.
func (s *site) renameTo(r *run, attribute, filter, sub []byte) bool {
	if bytes.Equal(attribute, s.attribute) && bytes.Equal(filter, s.filter) && bytes.Equal(sub, s.sub) {
		return false
	}
	s.rename(r, s.with(attribute, filter, sub))
	return true
}
