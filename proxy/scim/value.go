package scim

import (
	"bytes"
	"iter"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// value is one JSON value of a body. Its parts are slices of the body's bytes,
// so that writing it out again repeats every byte that no rule replaced.
type value struct {
	kind jsontext.Kind
	// raw is the text. It does not count for an object or array with children.
	raw      []byte
	children []child
}

// child is a member of an object, or an element of an array.
type child struct {
	// head and tail are what the body holds between the value and the comma or
	// bracket on either side: white space, and a member's name and colon.
	head, tail []byte
	// name is a member's name, unquoted, and quoted at these offsets of head.
	name               []byte
	nameStart, nameEnd int
	value              *value
}

// The kinds of JSON values.
const (
	null   = jsontext.KindNull
	yes    = jsontext.KindTrue
	no     = jsontext.KindFalse
	text   = jsontext.KindString
	number = jsontext.KindNumber
	object = jsontext.KindBeginObject
	array  = jsontext.KindBeginArray
)

// appendTo appends the value's text to dst.
func (v *value) appendTo(dst []byte) []byte {
	if len(v.children) == 0 {
		return append(dst, v.raw...)
	}
	opening, closing := byte('{'), byte('}')
	if v.kind == array {
		opening, closing = '[', ']'
	}
	dst = append(dst, opening)
	for i := range v.children {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &v.children[i]
		dst = append(dst, c.head...)
		dst = c.value.appendTo(dst)
		dst = append(dst, c.tail...)
	}
	return append(dst, closing)
}

// size is the length of the value's text, in bytes.
func (v *value) size() int {
	if len(v.children) == 0 {
		return len(v.raw)
	}
	n := 1 + len(v.children)
	for i := range v.children {
		c := &v.children[i]
		n += len(c.head) + c.value.size() + len(c.tail)
	}
	return n
}

// count is the number of values that the value is, with those in it.
func (v *value) count() int {
	n := 1
	for i := range v.children {
		n += v.children[i].value.count()
	}
	return n
}

// unquoted returns a string's value; nil if it is no string.
func (v *value) unquoted() []byte {
	if v.kind != text {
		return nil
	}
	return unquote(v.raw)
}

// unquote returns what a valid JSON string means, without a copy where it can.
func unquote(quoted []byte) []byte {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	plain, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		panic("scim: not a JSON string") // the decoder has checked it
	}
	return plain
}

// quote returns the JSON string that means s, which is UTF-8.
func quote[T ~string | ~[]byte](s T) []byte {
	quoted, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		panic("scim: not UTF-8") // it came out of a JSON string
	}
	return quoted
}

// member returns an object's member, whatever the case of its name (RFC 7643
// section 2.1); nil if there is none.
func (v *value) member(name string) *child {
	if v.kind != object {
		return nil
	}
	for i := range v.children {
		if equalFold(v.children[i].name, name) {
			return &v.children[i]
		}
	}
	return nil
}

// setText makes the value a string, number, boolean or null of the given text.
func (v *value) setText(kind jsontext.Kind, raw []byte) { *v = value{kind: kind, raw: raw} }

// remove deletes the children that drop tells to, and reports whether there
// were any.
func (v *value) remove(drop func(*child) bool) bool {
	kept := v.children[:0]
	for i := range v.children {
		if c := &v.children[i]; !drop(c) {
			kept = append(kept, *c)
		}
	}
	if len(kept) == len(v.children) {
		return false
	}
	if len(kept) == 0 {
		v.empty()
		return true
	}
	v.children = kept
	return true
}

// insert adds a member in front of the one of the given name, or at the end.
func (v *value) insert(before string, c child) {
	at := slices.IndexFunc(v.children, func(c child) bool { return equalFold(c.name, before) })
	if at < 0 {
		at = len(v.children)
	}
	v.children = slices.Insert(v.children, at, c)
}

// objects iterates over the objects that the value is, or holds as an array.
func (v *value) objects() iter.Seq[*value] {
	return func(yield func(*value) bool) {
		if v.kind == object {
			yield(v)
			return
		}
		if v.kind != array {
			return
		}
		for i := range v.children {
			if element := v.children[i].value; element.kind == object && !yield(element) {
				return
			}
		}
	}
}

// removeFromObjects deletes members of the objects, but not the last: an empty
// object would say less than one that is odd.
func (v *value) removeFromObjects(drop func(*child) bool) (changed bool) {
	for object := range v.objects() {
		if len(object.children) > 1 && object.remove(drop) {
			changed = true
		}
	}
	return changed
}

func (v *value) empty() {
	v.raw, v.children = []byte("{}"), nil
	if v.kind == array {
		v.raw = []byte("[]")
	}
}

// rename gives a member another name.
func (c *child) rename(name string) {
	quoted := quote(name)
	head := make([]byte, 0, len(c.head)+len(quoted))
	head = append(head, c.head[:c.nameStart]...)
	head = append(head, quoted...)
	head = append(head, c.head[c.nameEnd:]...)
	c.head, c.name, c.nameEnd = head, []byte(name), c.nameStart+len(quoted)
}

// newMember makes a member with a standard name, which needs no escapes.
func newMember(name string, v *value) child {
	head := make([]byte, 0, len(name)+len(`"":`))
	head = append(append(append(head, '"'), name...), `":`...)
	end := 1 + len(name)
	return child{head: head, name: head[1:end], nameEnd: end + 1, value: v}
}

// equalFold compares a name with a standard one, which is ASCII, without regard
// to case.
func equalFold[A, B ~string | ~[]byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// appendLower appends a name in lower case to dst.
func appendLower(dst, name []byte) []byte {
	for _, b := range name {
		dst = append(dst, lower(b))
	}
	return dst
}
