package scim

import "io"

// NewLimitedAnswerReader makes an AnswerReader that holds less.
func NewLimitedAnswerReader(source io.Reader, answer Answer, hold, token int) *AnswerReader {
	a := NewAnswerReader(source, answer)
	a.hold = max(hold, len("\ufeff")) // of which a byte order mark is always part
	a.token = max(a.hold, token)
	return a
}
