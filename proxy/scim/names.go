package scim

import "bytes"

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
	filter, sub := s.filter, s.sub
	if name, rest := cutName(filter); s.known.sub(name) != "" {
		filter = append([]byte(s.known.sub(name)), rest...)
	}
	if known := s.knownSub(); known != "" {
		sub = []byte(known)
	}
	return s.renameIfNew(r, s.with([]byte(s.known.name), filter, sub))
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
	return s.renameIfNew(r, s.with(s.attribute, s.filter, s.sub))
}

// primaryFilter turns the string that primary is compared with into a boolean.
func primaryFilter(r *run, s *site) bool {
	if s.filter == nil {
		return false
	}
	return s.renameIfNew(r, s.with(s.attribute, primaryLiterals(s.filter), s.sub))
}

// primaryLiterals replaces the strings that primary is compared with in a
// filter.
func primaryLiterals(filter []byte) []byte {
	var out []byte
	words := [2][]byte{} // the last two
	for rest := filter; len(rest) > 0; {
		word := rest[:wordEnd(rest)]
		rest = rest[len(word):]
		literal, ok := boolean(word)
		if ok && equalFold(words[0], "primary") && (equalFold(words[1], "eq") || equalFold(words[1], "ne")) {
			out = append(out, literal...)
		} else {
			out = append(out, word...)
		}
		if len(bytes.TrimSpace(word)) > 0 {
			words = [2][]byte{words[1], word}
		}
	}
	return out
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

// renameIfNew renames the site, and reports whether that changed its name.
func (s *site) renameIfNew(r *run, to []byte) bool {
	if bytes.Equal(to, s.text) {
		return false
	}
	s.rename(r, to)
	return true
}
