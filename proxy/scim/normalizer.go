package scim

// Normalizer applies the rules that are on. Use [New]; it can be shared.
type Normalizer struct {
	rules Set
}

// New makes a Normalizer. It fails when a name of Options is no attribute path
// or no schema URI.
func New(options Options) (*Normalizer, error) {
	return &Normalizer{rules: options.Rules}, nil
}

// Rules returns the rules that are on.
func (n *Normalizer) Rules() Set { return n.rules }

// Request normalizes a request body. It returns the rules that changed it; if
// there are none, the result is the slice that was given. With an error, which
// wraps [ErrSyntax] or [ErrValue], there is no result.
func (n *Normalizer) Request(kind Body, body []byte) ([]byte, Set, error) {
	return body, 0, nil
}

// NeedsResource reports whether [Normalizer.Complete] has to see the resource:
// whether a PATCH that was normalized aims at elements of multi-valued
// attributes that may be missing. Without the rule [MissingTarget] it does not.
func (n *Normalizer) NeedsResource(patch []byte) bool { return false }

// Complete turns the operations of a PATCH that aim at elements which resource
// does not have into operations that add them whole. What cannot be read leaves
// the PATCH as it is.
func (n *Normalizer) Complete(patch, resource []byte) ([]byte, Set) { return patch, 0 }
