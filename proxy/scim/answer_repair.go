package scim

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// frame is an open object or array that holds what a rule is about.
type frame struct {
	place place
	// orphan: all members before were removed, so that the comma behind them has
	// to go, too.
	orphan bool
}

// repair applies the rules to the tokens of an answer.
type repair struct {
	rules, fired Set
	locations    *Locations
	location, id string // of the root

	scan scanner
	base int64  // where the window begins in the body
	done int    // what is before is in out, or removed; an offset into the window
	out  []byte // repaired

	// frames are the open ones; the objects and arrays around that are those
	// and no others, so that level is also their depth.
	frames [5]frame
	level  int

	subject subject // what the value to come is
	inside  place   // likewise
	cutting bool    // it is being removed

	isList bool
	// resources is the number of members Resources so far. Of several, which no
	// object may have, the first is looked at.
	resources int
	pending   *pendingNull // nil if there is none
}

// pendingNull is the value null of Resources, of which is not known yet whether
// it is a ListResponse's.
type pendingNull struct {
	at   int   // in out
	from int64 // in the body
}

func newRepair(answer Answer) repair {
	rules := answer.Rules & AnswerRules
	if answer.Locations == nil {
		rules &^= 1 << Location
	}
	return repair{rules: rules, locations: answer.Locations, scan: scanner{expect: expectValue, values: 1}, inside: inAnswer}
}

// token deals with the token that was just found.
func (r *repair) token() {
	switch s := &r.scan; {
	case s.depth < r.level:
		r.leave()
	case s.isName:
		r.name()
	case s.depth > r.level:
		r.enter()
	default:
		r.value()
	}
}

// enter looks into an object or array if it is what was expected.
func (r *repair) enter() {
	if r.scan.kind != opening[r.inside] {
		r.scan.values = r.level
		return
	}
	r.level++
	r.frames[r.level] = frame{place: r.inside}
	r.await()
}

// await prepares for what comes next at the level.
func (r *repair) await() {
	f := &r.frames[r.level]
	r.subject, r.inside = nothing, elsewhere
	r.scan.names, r.scan.lengths = r.level, membersOf[f.place].lengths
	if f.orphan {
		r.scan.lengths = 1<<64 - 1
	}
	switch f.place {
	case inResources:
		r.inside, r.scan.values = inResource, r.level+1
	case inSchemas:
		r.scan.values = r.level
	default:
		r.scan.values = r.level - 1 // the object's end
	}
}

func (r *repair) leave() {
	if r.level == 1 {
		r.leaveAnswer()
	}
	r.level--
	r.await()
}

// leaveAnswer ends the root object.
func (r *repair) leaveAnswer() {
	if r.isList && r.resources == 0 {
		r.settle(r.scan.before)
		r.out = append(r.out, `,"Resources":[]`...)
		r.fire(ResourcesArray)
	}
	r.pending = nil
}

// name finds out what the member is about.
func (r *repair) name() {
	f := &r.frames[r.level]
	found := r.member(f.place)
	if found.subject == subjectMembers {
		r.settle(r.scan.before)
		r.cutting, r.scan.values = true, r.level
		f.orphan = f.orphan || r.scan.isFirst
		return
	}
	if f.orphan {
		r.settle(r.scan.before)
		r.done += bytes.IndexByte(r.scan.window[r.done:], ',') + 1
		f.orphan = false
	}
	r.await()
	r.subject, r.inside = found.subject, found.inside
	if r.inside == inResources {
		r.resources++
	}
	switch {
	case r.inside != elsewhere:
		r.scan.values = r.level + 1
	case r.subject != nothing:
		r.scan.values = r.level
	}
}

// member finds the name that was just read, whatever its case (RFC 7643 section
// 2.1), among those of a place.
func (r *repair) member(in place) *member {
	name, _ := r.text()
	known := membersOf[in].list
	for i := range known {
		member := &known[i]
		if (string(name) == member.name || equalFold(name, member.name)) && (member.rules == 0 || member.rules&r.rules != 0) {
			return member
		}
	}
	return &anyMember
}

// text is what the string that was just read means, without a copy where it can
// be had. What is not UTF-8 becomes U+FFFD in one with escapes; it is not exact
// then.
func (r *repair) text() (text []byte, exact bool) {
	quoted := r.scan.window[r.scan.start:r.scan.end]
	if !r.scan.escaped {
		return quoted[1 : len(quoted)-1], true
	}
	text, err := jsontext.AppendUnquote(nil, quoted)
	return text, err == nil
}

// value deals with a whole value, of which the last token was just read.
func (r *repair) value() {
	s := &r.scan
	isString := s.kind == '"'
	switch {
	case r.cutting:
		r.settle(s.end)
		r.cutting = false
		r.fire(ExcludedMembers)
	case r.inside == inResources && s.kind == 'n':
		r.nullResources()
	case r.frames[r.level].place == inSchemas && isString:
		if uri, _ := r.text(); equalFold(uri, listResponse) {
			r.foundList()
		}
	case isString:
		r.stringValue()
	}
	r.await()
}

func (r *repair) stringValue() {
	quoted := r.scan.window[r.scan.start:r.scan.end]
	switch r.subject {
	case subjectID:
		id, _ := r.text()
		r.id = string(id)
	case subjectActive:
		text, _ := r.text()
		for _, literal := range []string{"true", "false"} {
			if equalFold(text, literal) {
				r.replace(literal)
				r.fire(ResponseActive)
			}
		}
	case subjectManager:
		if len(quoted) == len(`""`) {
			r.replace("null")
		} else {
			r.settle(r.scan.start)
			r.out = append(r.out, `{"value":`...)
			r.settle(r.scan.end)
			r.out = append(r.out, '}')
		}
		r.fire(ResponseManager)
	case subjectLocation:
		r.mapLocation()
	}
}

// mapLocation deals with meta.location.
func (r *repair) mapLocation() {
	location, ok := r.text()
	separator, rest, found := r.locations.rest(location)
	ok = ok && found
	if r.level == 2 {
		r.location = string(location)
		if ok {
			r.location = r.locations.public + separator + string(rest)
		}
	}
	if !ok {
		return
	}
	if r.scan.escaped {
		quoted := quote(rest)
		rest = quoted[1 : len(quoted)-1]
	}
	r.settle(r.scan.start)
	r.out = append(r.out, '"')
	r.out = append(r.out, r.locations.quoted...)
	r.out = append(r.out, separator...)
	r.out = append(r.out, rest...)
	r.out = append(r.out, '"')
	r.done = r.scan.end
	r.fire(Location)
}

// nullResources deals with the value null of Resources: the text may name its
// schema only later.
func (r *repair) nullResources() {
	switch {
	case !r.rules.Has(ResourcesArray), r.resources > 1:
	case r.isList:
		r.replace("[]")
		r.fire(ResourcesArray)
	default:
		r.settle(r.scan.start)
		r.pending = &pendingNull{at: len(r.out), from: r.base + int64(r.scan.start)}
		r.replace("null")
	}
}

// foundList learns that the answer is a ListResponse.
func (r *repair) foundList() {
	r.isList = true
	r.forget()
	if null := r.pending; null != nil {
		r.out = slices.Replace(r.out, null.at, null.at+len("null"), '[', ']')
		r.fire(ResourcesArray)
	}
	r.pending = nil
}

// forget lets pending nulls go that are too far behind. How far is decided by
// the body alone, not by the pieces in which it comes.
func (r *repair) forget() {
	if r.pending != nil && r.base+int64(r.scan.end)-r.pending.from > HoldLimit {
		r.pending = nil
	}
}

// ready returns how much of out will not change any more.
func (r *repair) ready() int {
	r.forget()
	if r.pending != nil {
		return r.pending.at
	}
	return len(r.out)
}

// replace puts a text in the place of the token that was just read.
func (r *repair) replace(text string) {
	r.settle(r.scan.start)
	r.out = append(r.out, text...)
	r.done = r.scan.end
}

// settle moves what is before an offset to out, unless it is being removed.
func (r *repair) settle(to int) {
	if to <= r.done {
		return
	}
	if !r.cutting {
		if r.out == nil {
			r.out = make([]byte, 0, len(r.scan.window)+256)
		}
		r.out = append(r.out, r.scan.window[r.done:to]...)
	}
	r.done = to
}

func (r *repair) fire(id ID) { r.fired = r.fired.With(id) }

// compact lets go of what is done with.
func (r *repair) compact() {
	n := r.done
	r.scan.shift(n)
	r.base, r.done = r.base+int64(n), 0
}

// undo takes all changes back; the window must hold the body from its start.
func (r *repair) undo() {
	r.out, r.done, r.fired, r.location, r.id = r.out[:0], 0, 0, "", ""
}
