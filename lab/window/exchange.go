package window

import (
	"net/http"
	"time"
)

// Outcomes of an exchange, as a person would sort them.
const (
	// Proxied: the call went through, whatever the backend made of it short of
	// an error of its own.
	Proxied = "proxied"
	// Refused: the proxy said no, and the backend never heard of the call.
	Refused = "refused"
	// Failed: Entra got a status of 500 or more.
	Failed = "failed"
	// Aborted: the answer did not reach Entra whole.
	Aborted = "aborted"
)

// outcomes are all of them, in the order in which a chart stacks them.
var outcomes = [...]string{Proxied, Refused, Failed, Aborted}

// Exchange is one call of Entra's and all that came of it. Nothing in it is a
// secret: see [Message].
type Exchange struct {
	// ID is the invocation's, which the proxy logs as request_id; where two
	// exchanges have the same, the later one has a suffix.
	ID string
	// Start is when the request's header had arrived.
	Start time.Time
	// Duration is the time until the answer was handed over; zero while the
	// exchange is open.
	Duration time.Duration
	// Method and Target (path and query) are Entra's, except for the value of
	// a function key in the query.
	Method, Target string
	// Step says what Entra was doing; see [Recorder.SetStep]. It may be empty.
	Step string
	// Status is what Entra got; zero while the exchange is open, or if there
	// was no answer.
	Status int
	// Outcome is one of the constants above; empty while the exchange is open.
	Outcome string
	// Rules are the names of the rules that the proxy applied, by its log.
	Rules []string
	// Class, Cause and Remedy are the log's; empty if nothing went wrong.
	Class, Cause, Remedy string
	// Caller and Credential are the log's identities of Entra's token and the
	// backend's ("sha256:" and 8 hexadecimal digits).
	Caller, Credential string
	// BackendTime and SecretTime are the parts of the time that the backend
	// and the reading of secrets took, by the log.
	BackendTime, SecretTime time.Duration
	// Logged reports whether the proxy's log line has arrived.
	Logged bool
	// Entra is what Entra sent, Answer what it got.
	Entra, Answer Message
	// Backend is what the backend got and said, once for each call: none if the
	// proxy refused, two after a repeat with another credential, or where a rule
	// had to look the resource up first.
	Backend []Pair
}

// Pair is one call to the backend.
type Pair struct {
	Got, Said Message
}

// Message is a request or an answer as net/http saw it: names of headers are in
// their canonical spelling, and a Host is among them. Where a credential stood
// (Authorization, cookies, function keys, API keys) there is "••••" and the first 8
// hexadecimal digits of its SHA-256. The tokens of an exchange are replaced in
// the same way wherever else they occur in its messages.
type Message struct {
	// StartLine is the request line or the status line; empty if there was no
	// answer.
	StartLine string
	// Header is nil if there was no answer.
	Header http.Header
	// Body holds the first 64 KiB of what was read or written.
	Body []byte
	// Size is the number of bytes that were read or written.
	Size int64
	// Truncated reports whether there was more than Body holds.
	Truncated bool
	// Broken reports whether an answer was broken off, or a request not read to
	// its end.
	Broken bool
	// Status is zero for a request and if there was no answer.
	Status int
}

// outcomeOf judges what Entra got. calls is how often the backend was called.
func outcomeOf(answer Message, calls int) string {
	switch {
	case answer.Broken:
		return Aborted
	case answer.Status >= http.StatusInternalServerError:
		return Failed
	case answer.Status >= http.StatusBadRequest && calls == 0:
		return Refused
	}
	return Proxied
}
