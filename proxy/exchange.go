package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// invocationHeader carries the Functions host's id of a call. The host sets it
// on everything but its own pings.
const invocationHeader = "X-Azure-Functions-Invocationid"

// Classes of an exchange that ended without a problem of the table.
const (
	classClientGone   = "client_gone"
	classCut          = "backend_cut"
	classInternal     = "internal"
	classBackendError = "backend_error"
)

// exchange is one call on its way through the proxy: the response writer that
// httputil.ReverseProxy is given, and what the log line will say.
type exchange struct {
	http.ResponseWriter
	request *http.Request
	started time.Time
	id      string // the request's identity in log and error answers
	body    *requestBody

	method   string // "" if not allowed
	route    string
	endpoint string // what rules go by, see endpoint
	path     string // for the backend, escaped, base path included
	query    string // for the backend, raw

	emptyQuery bool // the client sent a lone question mark
	caller     token.Secret
	credential token.Secret

	rules    scim.Set // that changed the request or the answer
	dropped  int      // attributes and operations, see [scim.Outcome]
	answer   string   // what made it in the backend's place; "" if the backend did
	status   int
	written  int64
	complete bool // the answer went out whole
	replayed bool
	answered *answerBody

	abort func(error) // ends the call to the backend; nil if nothing may

	secretTime, backendTime time.Duration

	heldBytes int64 // see load

	class, cause, remedy string
	stack                []byte // of a panic
	withheld             int64  // lines of others, see journal
	level                zapcore.Level
}

type exchangeKey struct{}

// exchangeOf returns the exchange that ctx belongs to. Every context that a
// hook sees descends from ServeHTTP's.
func exchangeOf(ctx context.Context) *exchange {
	return ctx.Value(exchangeKey{}).(*exchange)
}

func newExchange(w http.ResponseWriter, r *http.Request, limit time.Duration) *exchange {
	x := &exchange{ResponseWriter: w, request: r, started: time.Now(), id: requestID(r.Header), level: zapcore.InfoLevel}
	x.body = newRequestBody(w, r, x.started, limit)
	if slices.Contains(methods, r.Method) {
		x.method = r.Method
	}
	return x
}

// secret gets credentials out of a cache and counts the time it took.
func (x *exchange) secret(ctx context.Context, cache *token.Cache[token.Credentials]) (token.Credentials, error) {
	start := time.Now()
	credentials, err := cache.Get(ctx)
	x.secretTime += time.Since(start)
	return credentials, err
}

// WriteHeader notes the status. Informational answers of the backend end here:
// httputil.ReverseProxy hands them on past ModifyResponse, header and all.
func (x *exchange) WriteHeader(status int) {
	if status < 200 {
		return
	}
	x.status = status
	if r := x.request; len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// Whoever is in front may have gone by another length: no call may follow
		// on this connection (RFC 9112 section 6.1). net/http hides a
		// Content-Length beside the coding, and the coding from HTTP/1.0.
		x.Header().Set("Connection", "close")
	}
	if _, ok := x.Header()["Content-Type"]; !ok {
		// An explicit nil keeps the server from guessing one.
		x.Header()["Content-Type"] = nil
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes that went out.
func (x *exchange) Write(data []byte) (int, error) {
	n, err := x.ResponseWriter.Write(data)
	x.written += int64(n)
	return n, err
}

// Unwrap lets [http.ResponseController] reach the server's writer, to flush.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// refuse answers with a problem of ours.
func (x *exchange) refuse(found problem) {
	x.leaveBody()
	// If the write fails, the client has left and nobody is there to be told.
	_ = found.write(x, x.id)
}

// answer is what the proxy says in the backend's place, where it was asked to.
type answer struct {
	by       string // for the log: what made it
	status   int
	location string // "" for none
	body     []byte // nil for none
	media    string // of the body; "" means that of SCIM
}

// The makers of answers.
const (
	byGroupStub   = "group_stub"
	byNothingLeft = "nothing_left"
	byCheck       = "check"
)

// reply sends an answer of ours, and completes the exchange.
func (x *exchange) reply(own *answer) {
	x.leaveBody()
	x.answer, x.complete = own.by, true
	h := x.Header()
	if own.location != "" {
		h.Set("Location", own.location)
	}
	if own.body != nil {
		h.Set("Content-Type", cmp.Or(own.media, mediaSCIM))
		h.Set("Content-Length", strconv.Itoa(len(own.body)))
	}
	x.WriteHeader(own.status)
	if own.body != nil && x.method != http.MethodHead {
		_, _ = x.Write(own.body) // as in refuse
	}
}

// leaveBody makes ready for an answer before the client's body is read.
func (x *exchange) leaveBody() {
	if x.bodyPending() {
		// Without it the answer waits behind the server's drain of the body.
		x.Header().Set("Connection", "close")
		_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Now().Add(lingerLimit))
	}
}

// clientGone reports whether the client broke the connection off.
func (x *exchange) clientGone() bool {
	return x.request.Context().Err() != nil
}

// maxID is the longest request id that is taken over, in bytes.
const maxID = 64

// isSafeID reports whether a request id of a client's can be logged and sent
// back: letters, digits, dot, underscore and hyphen.
func isSafeID(id string) bool {
	for i := range len(id) {
		switch b := id[i]; {
		case '0' <= b && b <= '9', 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', b == '.', b == '_', b == '-':
		default:
			return false
		}
	}
	return 0 < len(id) && len(id) <= maxID
}

// requestID is the host's invocation id, else the client's X-Request-Id, else
// a random one.
func requestID(header http.Header) string {
	for _, name := range []string{invocationHeader, "X-Request-Id"} {
		if id := header.Get(name); isSafeID(id) {
			return id
		}
	}
	return rand.Text()
}

// MarshalLogObject adds the allow-listed keys, and no others, to the log line.
func (x *exchange) MarshalLogObject(line zapcore.ObjectEncoder) error {
	line.AddString("request_id", x.id)
	line.AddString("method", x.method)
	line.AddString("route", x.route)
	line.AddInt("status", x.status)
	line.AddFloat64("total_ms", milliseconds(time.Since(x.started)))
	line.AddFloat64("backend_ms", milliseconds(x.backendTime))
	line.AddFloat64("secret_ms", milliseconds(x.secretTime))
	line.AddInt64("bytes_in", x.body.count())
	line.AddInt64("bytes_out", x.written)
	line.AddString("caller", x.caller.String())
	line.AddString("credential", x.credential.String())
	if x.rules != 0 {
		line.AddString("rules", x.rules.String())
	}
	if x.dropped > 0 {
		line.AddInt("dropped", x.dropped)
	}
	if x.replayed {
		line.AddBool("replayed", true)
	}
	for _, optional := range [...]struct{ key, value string }{
		{"answer", x.answer}, {"class", x.class}, {"cause", x.cause}, {"remedy", x.remedy},
	} {
		if optional.value != "" {
			line.AddString(optional.key, optional.value)
		}
	}
	if x.stack != nil {
		line.AddByteString("stack", x.stack)
	}
	if x.withheld > 0 {
		line.AddInt64("withheld", x.withheld)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
