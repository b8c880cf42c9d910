package scim

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxDepth is how deep objects and arrays may nest. RFC 7643 section 2.3.8
	// allows no complex attribute within another, so that a PATCH of a resource
	// needs 7.
	maxDepth = 64
	// maxValues is how many values a body may have, at some 150 bytes of memory
	// each. It is enough for 60,000 members; a body of 1 MiB holds 20,000.
	maxValues = 1 << 17
)

// block is how many values or children are allocated at once: a few more than
// an ordinary PATCH has.
const block = 64

// parser builds the values of a body. They are gone with reset.
type parser struct {
	decoder  jsontext.Decoder
	buffer   bytes.Buffer
	body     []byte
	maxDepth int
	count    int     // of the values so far
	values   []value // the rest of a block to take values from
	children []child // the same for children
	open     []child // the children so far of what is being read

	// The first blocks, used for one body after the other.
	firstValues   [block]value
	firstChildren [block]child
	// The run's, lent from one body to the next.
	sites      []site
	operations []operation
}

func newParser() *parser {
	p := &parser{maxDepth: maxDepth}
	p.reset()
	return p
}

// reset makes the parser ready for another body, and forgets the last one.
func (p *parser) reset() {
	p.body, p.buffer, p.count = nil, bytes.Buffer{}, 0
	p.decoder.Reset(&p.buffer)
	if cap(p.open) > 2*block {
		p.open = nil
	}
	if cap(p.sites) > block {
		p.sites = nil
	}
	if cap(p.operations) > block {
		p.operations = nil
	}
	// What was not used is clear already, and clearing all of it would take
	// longer than to read a short body.
	clear(p.open)
	clear(p.sites)
	clear(p.operations)
	clear(used(p.firstValues[:], p.values))
	clear(used(p.firstChildren[:], p.children))
	p.values, p.children = p.firstValues[:], p.firstChildren[:]
}

// parse reads a whole text. Duplicate names, invalid UTF-8 and data behind the
// value are errors (RFC 7493 section 2), as is too deep nesting. It also returns
// where the value ends.
func (p *parser) parse(body []byte) (root *value, end int, err error) {
	p.body, p.open = body, p.open[:0]
	// The decoder parses a bytes.Buffer in place.
	p.buffer = *bytes.NewBuffer(body)
	p.decoder.Reset(&p.buffer)
	if root, end, err = p.value(1); err != nil {
		return nil, 0, p.refusal(err)
	}
	if rest := p.space(end); rest < len(body) {
		return nil, 0, fmt.Errorf("%w: found more behind its end, at byte %d", ErrSyntax, rest)
	}
	return root, end, nil
}

// What ends the reading of a body beside what is no JSON.
var (
	errDepth  = errors.New("too deep")
	errValues = errors.New("too many values")
)

// value reads the next value; depth is what it has if it is an object or array.
// It also returns the value's end in the body.
func (p *parser) value(depth int) (v *value, end int, err error) {
	if p.count++; p.count > maxValues {
		return nil, 0, errValues
	}
	kind := p.decoder.PeekKind()
	if kind != object && kind != array {
		raw, err := p.decoder.ReadValue()
		if err != nil {
			return nil, 0, err
		}
		v, end = p.newValue(), int(p.decoder.InputOffset())
		v.kind, v.raw = kind, p.body[end-len(raw):end]
		return v, end, nil
	}
	if depth > p.maxDepth {
		return nil, 0, errDepth
	}
	if _, err = p.decoder.ReadToken(); err != nil {
		return nil, 0, err
	}
	v = p.newValue()
	start, first := int(p.decoder.InputOffset()), len(p.open)
	closing := jsontext.Kind('}')
	if kind == array {
		closing = ']'
	}
	for at := start; p.decoder.PeekKind() != closing; {
		// After the last child, what is read is an error.
		if at, err = p.child(kind, at, depth); err != nil {
			return nil, 0, err
		}
	}
	if _, err = p.decoder.ReadToken(); err != nil {
		return nil, 0, err
	}
	end = int(p.decoder.InputOffset())
	v.kind, v.raw, v.children = kind, p.body[start-1:end], p.take(first)
	return v, end, nil
}

// child reads a member or element that begins at the offset, and returns the
// offset behind the comma that follows it, if one does.
func (p *parser) child(parent jsontext.Kind, at, depth int) (int, error) {
	var c child
	if parent == object {
		quoted, err := p.decoder.ReadValue()
		if err != nil {
			return 0, err
		}
		end := int(p.decoder.InputOffset())
		start := end - len(quoted)
		c.name, c.nameStart, c.nameEnd = unquote(p.body[start:end]), start-at, end-at
	}
	v, end, err := p.value(depth + 1)
	if err != nil {
		return 0, err
	}
	stop := p.space(end)
	c.head, c.tail, c.value = p.body[at:end-len(v.raw)], p.body[end:stop], v
	p.open = append(p.open, c)
	return stop + 1, nil
}

// space returns the offset of the first byte from at on that is no white space.
func (p *parser) space(at int) int {
	for at < len(p.body) {
		switch p.body[at] {
		case ' ', '\t', '\r', '\n':
			at++
		default:
			return at
		}
	}
	return at
}

// used returns the part of a block that was taken, if rest is what is left of
// it, and else the whole block.
func used[T any](block, rest []T) []T {
	if len(rest) == 0 || &rest[len(rest)-1] != &block[len(block)-1] {
		return block
	}
	return block[:len(block)-len(rest)]
}

func (p *parser) newValue() *value {
	if len(p.values) == 0 {
		p.values = make([]value, block)
	}
	v := &p.values[0]
	p.values = p.values[1:]
	return v
}

// take moves the children from first on out of the open ones.
func (p *parser) take(first int) []child {
	n := len(p.open) - first
	if n == 0 {
		return nil
	}
	if len(p.children) < n {
		p.children = make([]child, max(n, block))
	}
	// Full, so that an append to it does not reach into the next.
	taken := p.children[:n:n]
	p.children = p.children[n:]
	copy(taken, p.open[first:])
	clear(p.open[first:])
	p.open = p.open[:first]
	return taken
}

// refusal says what is wrong with a body, in words that are not the body's.
func (p *parser) refusal(err error) error {
	offset := p.decoder.InputOffset()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset = syntactic.ByteOffset
	}
	switch {
	case errors.Is(err, errDepth):
		return fmt.Errorf("%w: found objects and arrays nested deeper than %d at byte %d", ErrSyntax, p.maxDepth, offset)
	case errors.Is(err, errValues):
		return fmt.Errorf("%w: found more than %d values up to byte %d", ErrSyntax, maxValues, offset)
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Errorf("%w: found a member name twice in one object at byte %d; expected each once", ErrSyntax, offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: found its end after %d bytes; expected more", ErrSyntax, len(p.body))
	}
	return fmt.Errorf("%w: found what JSON does not allow at byte %d", ErrSyntax, offset)
}
