// Package scim turns the SCIM dialect that Microsoft Entra ID speaks into
// RFC 7643 and RFC 7644, and repairs the answers that would hurt Entra. Each
// repair is a rule, one row of the table that [Rules] returns, and off until
// asked for.
//
// The functions are pure: no I/O but on the reader given, no clock, no state
// between calls. A body that no rule concerns comes out as the same bytes;
// elsewhere only the bytes change that a rule is about. Member order, the text
// of numbers, escapes, white space and attributes that nobody knows survive.
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
}
