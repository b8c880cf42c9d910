//go:build unix

package failure

import "time"

// row is one fault between two sides, in a world of its own.
type row struct {
	pair  pair
	fault string // for the table
	// settings of the proxy, beside those of every world.
	settings map[string]string
	http1    bool // the backend speaks no HTTP/2
	vault    bool // the secrets are in a key vault, and not in files
	hosted   bool // the proxy is under the Functions host
	cold     bool // the proxy starts when the fault is there already
	warm     bool // the fault meets a connection to the backend that is open
	apart    bool // the fault meets no open connection, but is there before one
	long     bool // lists are long
	// reconnects says that the call takes another connection all the same.
	reconnects bool
	// hostRepeats is how often the Functions host sends a call again.
	hostRepeats int
	// patience is when Entra gives a call up; zero is never.
	patience time.Duration
	// hold keeps the call at the backend until during releases it.
	hold holding
	// begin, during (beside the call) and end make the fault and take it away.
	// Nil begin or during do nothing; nil end mends the wires.
	begin, during, end func(*trial)
	calls              []expect
	// logs are further lines that must be there, as line.String has them.
	logs []string
	// within is how long Entra's repeats may fail when the fault is over; zero
	// means that the first one succeeds.
	within time.Duration
	// after says why, for the table.
	after string
}

// expect is what a fault means to calls of some methods.
type expect struct {
	methods []string
	size    int  // of the request's body, at least
	stream  bool // it has no length
	// sees and log are what may come of it: more than one where it is a race that
	// nobody decides.
	sees, log []string
	executed  [2]int // how often the backend executes a call that writes: from, to
}

// finish ends the fault.
func (r *row) finish(t *trial) {
	t.Helper()
	if r.end != nil {
		r.end(t)
		return
	}
	t.fromEntra.mend()
	t.toBackend.mend()
	if t.toVault != nil {
		t.toVault.mend()
	}
}

// holding is where a call waits at the backend.
type holding int

// The places.
const (
	passing    holding = iota // it does not wait
	beforehand                // the backend has not acted
	afterwards                // the backend has
)

// pair is who a fault is between.
type pair string

// The pairs.
const (
	entraProxy  pair = "Entra and the proxy"
	entraHost   pair = "Entra and the Functions host"
	backend1    pair = "proxy and backend, HTTP/1.1"
	backend2    pair = "proxy and backend, HTTP/2"
	proxyVault  pair = "proxy and vault"
	proxyFile   pair = "proxy and its files"
	proxyItself pair = "the proxy itself"
)

// noLine is in expect.log for a call that never came as far as to be logged.
const noLine = ""

// How often a call is executed.
var (
	never     = [2]int{0, 0}
	once      = [2]int{1, 1}
	onceOrNot = [2]int{0, 1}
)

// Sets of methods.
var (
	reads  = []string{"GET"}
	posts  = []string{"POST"}
	writes = []string{"POST", "PATCH", "DELETE"}
	bodies = []string{"POST", "PATCH"}
	all    = []string{"GET", "POST", "PATCH", "DELETE"}
)

// as is the plain case: one thing seen, one line.
func as(methods []string, sees, log string, executed [2]int) expect {
	return expect{methods: methods, sees: []string{sees}, log: []string{log}, executed: executed}
}

// sentences are what Entra reads with a class; the runbook's rows have the rest.
var sentences = map[string]string{
	"body_incomplete":       "The request body did not arrive whole and in time.",
	"secret_unavailable":    "The proxy cannot read one of its own secrets at the moment.",
	"timeout":               "The identity backend did not answer in time.",
	"bad_answer":            "The identity backend sent no usable answer.",
	"refused":               "The identity backend cannot be reached.",
	"dns":                   "The identity backend cannot be reached.",
	"dns_no_answer":         "The identity backend cannot be reached.",
	"tls_closed":            tlsSentence,
	"tls_silence":           tlsSentence,
	"tls_not_spoken":        tlsSentence,
	"tls_unknown_authority": tlsSentence,
	"tls_expired":           tlsSentence,
	"tls_wrong_name":        tlsSentence,
}

const tlsSentence = "The TLS connection from the proxy to the identity backend failed."

// rows is the matrix.
func rows() []row {
	var list []row
	for _, part := range [][]row{entraRows(), hostRows(), backendRows(true), backendRows(false), vaultRows(), fileRows(), selfRows()} {
		list = append(list, part...)
	}
	return list
}
