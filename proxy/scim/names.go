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
// name that it begins with.
func (p *path) standardFilter() []byte {
	name, rest := cutName(p.filter)
	if p.known == nil {
		return p.filter
	}
	if standard := p.known.sub(name); standard != "" && standard != string(name) {
		return append([]byte(standard), rest...)
	}
	return p.filter
}

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
	var words [2][]byte // the last two
	for at := 0; at < len(filter); {
		word := filter[at : at+wordEnd(filter[at:])]
		literal, ok := boolean(word)
		if ok && equalFold(words[0], "primary") && (equalFold(words[1], "eq") || equalFold(words[1], "ne")) {
			filter = slices.Concat(filter[:at], []byte(literal), filter[at+len(word):])
			word = filter[at : at+len(literal)]
		}
		if word[0] != ' ' && word[0] != '\t' {
			words = [2][]byte{words[1], word}
		}
		at += len(word)
	}
	return filter
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

// boolean returns the boolean that a JSON string spells, whatever its case.
func boolean(quoted []byte) (literal string, ok bool) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return "", false
	}
	for _, literal := range []string{"true", "false"} {
		if equalFold(quoted[1:len(quoted)-1], literal) {
			return literal, true
		}
	}
	return "", false
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
