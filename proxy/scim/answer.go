package scim

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
)

const (
	// HoldLimit is the longest answer, in bytes, that is repaired as a whole.
	HoldLimit = 64 << 10
	// tokenLimit is the longest token of an answer, in bytes, with what is
	// between it and the one before. A longer one ends the repair.
	tokenLimit = 1 << 20
)

// AnswerRules are the rules that an [AnswerReader] applies.
const AnswerRules Set = 1<<ExcludedMembers | 1<<ResourcesArray | 1<<ResponseManager | 1<<ResponseActive | 1<<Location

var (
	// ErrToken is the reason why the rest of an answer passes as it came: a
	// token of over 1 MiB, or objects and arrays nested deeper than 64.
	ErrToken = errors.New("the answer holds a token over 1 MiB, or nests deeper than 64, and its rest passed as it came")
	// ErrMemory is the reason why the rest of an answer passes as it came: a long
	// token for which [Answer].Reserve had no memory.
	ErrMemory = errors.New("there was no memory for a long token of the answer, and its rest passed as it came")
	// ErrNotJSON is the reason why the rule [ExcludedMembers] could not act on
	// what was left of an answer.
	ErrNotJSON = errors.New("the answer is not JSON, so that its rest passed as it came, and members may be in it")
	// ErrMembers breaks an answer off: the rule [ExcludedMembers] had removed
	// part of an attribute whose end cannot be found, and what is left of the
	// answer means something else without it.
	ErrMembers = errors.New("the answer broke off in members that were being removed")
)

// ExcludesMembers reports whether a query asks for resources without their
// attribute members (RFC 7644 section 3.9).
func ExcludesMembers(rawQuery string) bool {
	if rawQuery == "" {
		return false
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(query["excludedAttributes"], func(list string) bool {
		return slices.ContainsFunc(strings.Split(list, ","), func(name string) bool {
			name = strings.TrimSpace(name)
			return equalFold(name, "members") || equalFold(name, coreGroup+":members")
		})
	})
}

// Answer describes what is to be done to an answer. The zero value passes it as
// it came.
type Answer struct {
	// Rules are those that may act; only AnswerRules count. ExcludedMembers is
	// to be among them if the request asked for it, see [ExcludesMembers].
	Rules Set
	// Locations maps meta.location for the rule [Location]; nil leaves it.
	Locations *Locations
	// Length is the body's, in bytes, if it is known: it spares memory. Zero and
	// less mean that it is not.
	Length int64
	// Reserve is asked for memory for a token that is longer than twice HoldLimit,
	// in bytes, as often as more is needed; false refuses it. Nil grants all.
	Reserve func(bytes int) bool
}

// AnswerReader is the body of an answer with the rules applied to it: a
// resource, or a ListResponse of resources (RFC 7644 section 3.4.2). Use
// [NewAnswerReader], then [AnswerReader.Hold].
//
// A body of up to [HoldLimit] bytes that is not JSON, or is broken off, passes
// byte for byte; of a longer one so does the rest, from where that is found out.
// Duplicate names, bytes that are not UTF-8, a byte order mark, and whatever
// follows the JSON text do no harm. What is held of a body at a time does not
// depend on its length: some 128 KiB, or a few times its longest token.
type AnswerReader struct {
	source  io.Reader
	ended   error // what source ended with
	failed  error // ends the answer in its middle
	warning error

	// hold and token are HoldLimit and tokenLimit.
	hold, token int
	reserve     func(int) bool

	repair  repair
	sent    int  // of repair.out
	held    bool // the window still begins where the body does
	whole   bool // and then held all of it
	passing bool // what is left passes as it came
}

// NewAnswerReader reads nothing yet.
func NewAnswerReader(source io.Reader, answer Answer) *AnswerReader {
	a := &AnswerReader{source: source, hold: HoldLimit, token: tokenLimit, reserve: answer.Reserve, held: true, repair: newRepair(answer)}
	// With a byte more than the answer has, to see whether it ends there.
	size := answer.Length + 1
	switch {
	case answer.Length <= 0:
		size = 4 << 10
	case answer.Length > HoldLimit:
		size = HoldLimit + 1
	}
	a.repair.scan.window = make([]byte, 0, size)
	return a
}

// Hold reads until the body ends or is longer than [HoldLimit], and repairs
// what is there. The methods that are about the whole answer can be called
// after it.
func (a *AnswerReader) Hold() {
	scan := &a.repair.scan
	for a.ended == nil && len(scan.window) <= a.hold {
		a.fill(a.hold + 1)
	}
	if bytes.HasPrefix(scan.window, []byte("\ufeff")) {
		scan.at = len("\ufeff")
	}
	a.whole = len(scan.window) <= a.hold
	ended := a.ended
	if !a.whole {
		a.ended = nil // that it may be known already is chance
	}
	a.work()
	a.ended, a.held = ended, false
}

// Length returns the length of the repaired body in bytes, -1 if it is not
// known: the body is longer than what is held, or was broken off.
func (a *AnswerReader) Length() int64 {
	if !a.whole || !errors.Is(a.ended, io.EOF) {
		return -1
	}
	return int64(len(a.repair.out) + len(a.repair.scan.window) - a.repair.done)
}

// Unchanged reports whether the whole body passes byte for byte.
func (a *AnswerReader) Unchanged() bool { return a.passing && a.repair.fired == 0 }

// Created returns meta.location, repaired, and id of the resource that the
// answer is, as far as they are strings and were held; "" otherwise.
func (a *AnswerReader) Created() (location, id string) { return a.repair.location, a.repair.id }

// Fired returns the rules that changed what was read so far.
func (a *AnswerReader) Fired() Set { return a.repair.fired }

// Warning returns why the rules stopped to act on what was read so far:
// [ErrToken], [ErrNotJSON], or nil.
func (a *AnswerReader) Warning() error { return a.warning }

// Read returns repaired bytes as soon as there are some. It fails with what the
// source fails with, or with [ErrMembers].
func (a *AnswerReader) Read(p []byte) (int, error) {
	if a.held {
		a.Hold()
	}
	for {
		n := a.deliver(p)
		switch {
		case n > 0 || len(p) == 0:
			return n, nil
		case a.failed != nil:
			return 0, a.failed
		case a.passing && a.ended != nil:
			return 0, a.ended
		case a.passing:
			return a.source.Read(p)
		case a.ended == nil:
			a.fill(a.token + 1)
		}
		a.work()
	}
}

// deliver copies what is ready.
func (a *AnswerReader) deliver(p []byte) int {
	r := &a.repair
	n := copy(p, r.out[a.sent:r.ready()])
	a.sent += n
	if a.sent < len(r.out) {
		return n
	}
	r.out, a.sent = r.out[:0], 0
	if a.passing {
		rest := copy(p[n:], r.scan.window[r.done:])
		r.done += rest
		n += rest
	}
	return n
}

// fill reads once into the window, which becomes no longer than limit.
func (a *AnswerReader) fill(limit int) {
	if !a.held && a.repair.done > 0 {
		a.repair.compact()
	}
	window := a.repair.scan.window
	if len(window) == cap(window) {
		more := min(len(window), limit-len(window))
		if len(window) > 2*HoldLimit && a.reserve != nil && !a.reserve(more) {
			a.token = 0 // what is there of it is too long now
			return
		}
		window = slices.Grow(window, more)
	}
	n, err := a.source.Read(window[len(window):min(cap(window), limit)])
	a.repair.scan.window, a.ended = window[:len(window)+n], err
}

// work repairs what is in the window.
func (a *AnswerReader) work() {
	r := &a.repair
	for !a.passing && a.failed == nil {
		switch r.scan.next() {
		case foundToken:
			r.token()
			a.passing = r.level == 0
		case foundEnd:
			switch {
			case len(r.scan.window)-r.scan.end > a.token:
				// First: that the end is known already is chance.
				if a.token == 0 {
					a.giveUp(ErrMemory)
				} else {
					a.giveUp(ErrToken)
				}
			case a.ended != nil:
				a.giveUp(nil)
			default:
				r.settle(r.scan.end)
				return
			}
		case foundInvalid:
			a.giveUp(a.invalid())
		case foundDeep:
			a.giveUp(ErrToken)
		}
	}
}

// invalid is what there is to say of a body that is not JSON: for most rules,
// nothing.
func (a *AnswerReader) invalid() error {
	if a.repair.rules.Has(ExcludedMembers) {
		return ErrNotJSON
	}
	return nil
}

// giveUp lets the rest pass as it came; all of it, if nothing went out yet.
func (a *AnswerReader) giveUp(warning error) {
	r := &a.repair
	switch {
	case a.held:
		r.undo()
	case r.cutting, r.frames[r.level].orphan:
		// The rest could even be JSON without what was before it: {"id":"1"}, of
		// {"id":"1","members"} and of {"members":[]"id":"1"}.
		if a.failed = ErrMembers; a.ended != nil && !errors.Is(a.ended, io.EOF) {
			a.failed = a.ended
		}
		return
	}
	r.pending = nil
	a.passing, a.warning = true, warning
}
