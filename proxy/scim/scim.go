// Package scim turns the SCIM dialect that Microsoft Entra ID speaks into
// RFC 7643 and RFC 7644, and repairs the answers that would hurt Entra. Each
// repair is a rule, one row of the table that [Rules] returns, and off until
// asked for.
//
// The functions are pure: no I/O but on the reader given, no clock, no state
// between calls. A body that no rule concerns comes out as the same bytes;
// elsewhere only the bytes change that a rule is about. Member order, the text
// of numbers, escapes, white space and attributes that nobody knows survive.
//
// With the same edits, attributes that a backend refuses are dropped from request
// bodies: see [Options].
package scim

import "errors"

// The reasons to refuse a request body. An error of this package wraps one of
// them, and its text is made of fixed words, numbers and the names of standard
// attributes: it can be shown to anybody.
var (
	// ErrSyntax: the body is not a JSON text that can be read in one way only
	// (RFC 8259, RFC 7493). It is answered with 400 invalidSyntax.
	ErrSyntax = errors.New("not valid JSON")
	// ErrValue: an operation cannot be expressed in RFC 7644 without a guess.
	// It is answered with 400 invalidValue.
	ErrValue = errors.New("not expressible")
)

// Body is the kind of a request body.
type Body int

// The bodies that rules know.
const (
	// Patch is a PatchOp message (RFC 7644 section 3.5.2).
	Patch Body = iota
	// Create is a resource in a POST (RFC 7644 section 3.3).
	Create
	// Replace is a resource in a PUT (RFC 7644 section 3.5.1).
	Replace
)

// Resource is the type of the resource that a request body is about.
type Resource int

// The types of resources (RFC 7643 section 4).
const (
	// User is a user, also the one that is asking (/Me).
	User Resource = iota
	// Group is a group.
	Group
)

// Options describe a [Normalizer]. The zero value is one that does nothing.
type Options struct {
	// Rules are the rules that are on.
	Rules Set
	// Booleans, Integers and Multivalued name custom attributes, as paths of
	// RFC 7644 section 3.10 without a filter: the type of their values, and
	// that they hold several simple ones.
	Booleans, Integers, Multivalued []string
	// Extensions are the URIs of extension schemas. Those of the form
	// urn:ietf:params:scim:schemas:extension:NAME:2.0:User, or Group, are known
	// without.
	Extensions []string
	// Drop are the attributes that are removed from request bodies, as paths of
	// RFC 7644 section 3.10 without a filter, or the URI of an extension schema,
	// which stands for all of it. With the URI of a core schema in front, a path
	// counts for that type of resource only, and for both without. The attribute
	// schemas and sub-attributes named value cannot be dropped. Nil removes
	// nothing.
	Drop []string
}

// Outcome is what became of a request body.
type Outcome struct {
	// Body is the slice that was given if nothing changed.
	Body []byte
	// Fired are the rules that changed it.
	Fired Set
	// Dropped is how many members, elements of schemas and operations were
	// removed because of [Options].Drop. What went because it was empty then
	// does not count apart.
	Dropped int
	// Empty tells that a PATCH has no operation left because of [Options].Drop.
	// Body is then nil, and nothing to be sent: RFC 7644 section 3.5.2 knows no
	// PATCH without an operation.
	Empty bool
}
