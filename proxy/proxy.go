// Package proxy carries one exchange between Entra and the backend, from
// admission to log line: it checks the call before it reads the body, swaps
// the credential, streams both bodies, and turns every failure into a SCIM
// Error that tells the client nothing of what lies behind.
package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// Options describe a [Proxy]. All are required but those that say otherwise.
type Options struct {
	// Backend is the base URL of the backend's SCIM service: scheme, host and
	// path, without query. A trailing slash of the path does not count.
	Backend *url.URL
	// Host is the Host header sent to the backend; "" means Backend's host.
	Host string
	// Path is the public path that Backend's replaces, with a leading and
	// without a trailing slash; "" publishes the backend at the root.
	Path string
	// Timeout bounds a whole call from its arrival, waiting for secrets
	// included.
	Timeout time.Duration
	// MaxBody is the largest request body, in bytes.
	MaxBody int64
	// MaxConcurrent is how many calls are taken at a time; more are refused.
	MaxConcurrent int
	// Memory is what the process may use, in bytes, of which the bodies that are
	// held get a part, and their parsing another; zero means that nothing bounds
	// them.
	Memory int64
	// UserAgent is sent to the backend; "" sends none.
	UserAgent string
	// Inbound holds the tokens that a client may present, any of them.
	Inbound *token.Cache[token.Credentials]
	// Outbound holds the secrets that the backend expects: the first, or, where
	// the backend refuses that, the one after it. Nil sends none, because TLS
	// tells the backend who calls.
	Outbound *token.Cache[token.Credentials]
	// Scheme is how the backend is shown the secret.
	Scheme Scheme
	// OutboundFixed tells that Outbound never changes, so that no call waits
	// for another credential when the backend refuses it.
	OutboundFixed bool
	// Transport makes the calls to the backend. It must neither follow
	// redirects nor send credentials of its own.
	Transport http.RoundTripper
	// StubGroups answers all calls about groups in the backend's place, which
	// has no /Groups.
	StubGroups bool
	// Normalizer holds the rules for bodies; nil means none.
	Normalizer *scim.Normalizer
	// PublicURL is the public origin, such as https://scim.example.com, for the
	// rule [scim.Location].
	PublicURL string
	// Check makes the report that [CheckPath] answers with, in JSON. It gets the
	// client's context, without the call's deadline. Nil means that there is no
	// such path.
	Check func(context.Context) ([]byte, error)
	// Explain sorts an error of Transport for answer and log.
	Explain func(error) Fault
	// Log gets one line per exchange; of calls without a token that is known, ten
	// in a second at most.
	Log *zap.Logger
}

// Fault is what is known about a failed round trip.
type Fault struct {
	// Problem is ErrUnreachable, ErrTLS or ErrBadAnswer.
	Problem error
	// Class, Cause and Remedy are for the log only: a stable name, what was
	// found, and what to do about it.
	Class, Cause, Remedy string
}

// Proxy is the handler of all calls. Use [New].
type Proxy struct {
	options   Options
	basePath  string // Backend's, escaped, without trailing slash
	checkPath string // that of the check, behind basePath
	bodyTime  time.Duration
	swap      *swap
	reverse   *httputil.ReverseProxy
	fired     []atomic.Uint64 // exchanges by the rules that fired, see RulesFired
	load      *load
	journal   *journal

	checked   atomic.Pointer[time.Time] // when Check was last asked; nil: never
	locations *scim.Locations           // nil: without a PublicURL there are none
}

// New makes a Proxy. It fails when a required option is missing.
func New(options Options) (*Proxy, error) {
	switch {
	case options.Backend == nil, options.Inbound == nil, options.Transport == nil,
		options.Explain == nil, options.Log == nil, options.Timeout <= 0, options.MaxBody <= 0, options.MaxConcurrent <= 0:
		return nil, errors.New("proxy: a required option is missing")
	}
	if options.Normalizer == nil {
		options.Normalizer = new(scim.Normalizer)
	}
	if options.Host == "" {
		options.Host = options.Backend.Host
	}
	// What it reports of the calls is in their lines already.
	errorLog, err := zap.NewStdLogAt(options.Log, zap.DebugLevel)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	basePath := strings.TrimSuffix(options.Backend.EscapedPath(), "/")
	p := &Proxy{
		options: options, basePath: basePath, checkPath: basePath + CheckPath,
		bodyTime: min(bodyLimit, options.Timeout),
		swap: &swap{
			next: options.Transport, outbound: options.Outbound, scheme: options.Scheme, fixed: options.OutboundFixed, log: options.Log,
		},
		fired: make([]atomic.Uint64, len(scim.Rules())), locations: newLocations(&options),
		load: newLoad(options.MaxConcurrent, options.Memory), journal: newJournal(options.Log),
	}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p.swap,
		ModifyResponse: p.modifyResponse,
		ErrorHandler:   func(_ http.ResponseWriter, r *http.Request, err error) { p.fail(exchangeOf(r.Context()), err) },
		BufferPool:     &bufferPool{},
		ErrorLog:       errorLog,
	}
	return p, nil
}

// ServeHTTP answers the host's ping itself and takes every other call through
// one exchange. It panics with [http.ErrAbortHandler] when an answer has to
// end as a broken one.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if IsPing(r) {
		return // 200 with an empty body
	}
	x := newExchange(w, r, p.bodyTime)
	defer p.close(x)
	if err := p.load.enter(); err != nil {
		p.fail(x, err)
		return
	}
	defer p.load.leave()
	ctx, cancel := context.WithDeadline(context.WithValue(r.Context(), exchangeKey{}, x), x.started.Add(p.options.Timeout))
	defer cancel()
	switch own, err := p.prepare(ctx, x, r); {
	case err != nil:
		p.fail(x, err)
		return
	case own != nil:
		x.reply(own)
		return
	}
	// Panics with http.ErrAbortHandler when the backend's body breaks off.
	// Nothing here may recover it: the client would take what it got for the
	// whole (TestCutBackendBodyReachesTheClientCut).
	admitted := r.WithContext(ctx)
	admitted.Body = x.body
	// Filtered here, because httputil.ReverseProxy acts on Connection, Upgrade
	// and TE before rewrite sees the header.
	admitted.Header = forwardedHeader(r.Header)
	p.normalizeHeader(x, admitted.Header)
	p.reverse.ServeHTTP(x, admitted)
	x.complete = true
}

// prepare does everything that can fail before the call is handed over: the
// hooks of httputil.ReverseProxy cannot refuse one. If it returns an answer,
// that is the proxy's own, and the backend is not asked.
func (p *Proxy) prepare(ctx context.Context, x *exchange, r *http.Request) (*answer, error) {
	if err := p.admit(ctx, x, r); err != nil {
		return nil, err
	}
	switch {
	case p.options.Check != nil && x.path == p.checkPath:
		return p.check(x)
	case p.options.StubGroups && strings.HasPrefix(x.endpoint, "/Groups"):
		return p.stub(ctx, x, r.Header)
	}
	kind, concerned := p.bodyKind(x, r)
	if concerned && isEncoded(r.Header["Content-Encoding"]) {
		return nil, errContentEncoding
	}
	if err := x.holdBody(p.options.MaxBody, concerned, p.load); err != nil {
		return nil, err
	}
	if concerned {
		switch err := p.normalize(ctx, x, kind); {
		case errors.Is(err, errNothingLeft):
			return &answer{by: byNothingLeft, status: http.StatusNoContent}, nil
		case err != nil:
			return nil, err
		}
	}
	if p.options.Outbound != nil {
		credentials, err := x.secret(ctx, p.options.Outbound)
		if err != nil {
			return nil, err
		}
		x.credential = p.swap.choose(credentials)
	}
	if concerned && kind == scim.Patch {
		return nil, p.completeTargets(ctx, x, r.Header)
	}
	return nil, nil
}

// admit decides on a call before a byte of its body is read.
func (p *Proxy) admit(ctx context.Context, x *exchange, r *http.Request) error {
	if x.method == "" {
		return errMethod
	}
	resource, err := resourcePath(escapedPath(r.URL), p.options.Path)
	if err != nil {
		return err
	}
	x.route, x.path = route(resource), p.basePath+resource
	if x.endpoint = x.route; p.options.StubGroups || p.options.Normalizer.Rules() != 0 || p.options.Normalizer.Drops() {
		x.endpoint = endpoint(resource)
	}
	if err := p.authenticate(ctx, x, r.Header); err != nil {
		return err
	}
	query, cut, err := forwardedQuery(r.URL.RawQuery)
	x.query, x.emptyQuery = query, r.URL.ForceQuery && !cut
	return err
}

// rewrite builds the outgoing request. It must not fail: httputil.ReverseProxy
// sends whatever it leaves.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	x := exchangeOf(r.In.Context())
	r.Out.URL = p.target(x)
	r.Out.URL.RawQuery, r.Out.URL.ForceQuery = x.query, x.emptyQuery
	r.Out.Host = p.options.Host
	// An absent User-Agent would become that of net/http.
	r.Out.Header.Set("User-Agent", p.options.UserAgent)
	r.Out.Trailer = nil
	if p.options.Normalizer.Rules()&readingRules != 0 {
		// Or the backend may send what they cannot read. Absent, the header would
		// mean any coding (RFC 9110 section 12.5.3).
		r.Out.Header.Set("Accept-Encoding", "identity")
	}
	r.Out.Body = x.body.outgoing()
	if x.body.held != nil {
		// The client's framing is not that of what was held: it may have come
		// in chunks, and rules may have changed it.
		r.Out.ContentLength, r.Out.TransferEncoding = x.body.length, nil
	}
}

// target is the URL of the exchange's resource at the backend, without query.
func (p *Proxy) target(x *exchange) *url.URL {
	// The opaque form is sent as it is; Path and RawPath would be encoded anew.
	return &url.URL{Scheme: p.options.Backend.Scheme, Host: p.options.Backend.Host, Opaque: cmp.Or(x.path, "/")}
}

// modifyResponse refuses the answers that must not reach Entra and filters the
// header of the others.
func (p *Proxy) modifyResponse(response *http.Response) error {
	x := exchangeOf(response.Request.Context())
	if err := x.bodyError(); err != nil {
		return err // whatever the backend says, it is not about the whole body
	}
	switch err := withheld(response); {
	case errors.Is(err, errForbidden):
		return cmp.Or(x.answerError(response.Request.Context()), err)
	case err != nil:
		return err
	}
	p.repair(x, response)
	filterResponseHeader(response.Header)
	if x.bodyPending() {
		response.Header.Set("Connection", "close")
	}
	return nil
}

// fail answers with the problem that err is, or ends the connection if the
// client has left: an ordinary return would send 200.
func (p *Proxy) fail(x *exchange, err error) {
	// Before the next check, because a body that fails to arrive ends the
	// request's context, too.
	if bodyErr := x.bodyError(); bodyErr != nil {
		err = bodyErr
	} else if x.clientGone() {
		x.class = classClientGone
		panic(http.ErrAbortHandler)
	}
	found := problemOf(err)
	x.class, x.level, x.cause, x.remedy = found.class, found.level, err.Error(), found.remedy
	if isShown(err) {
		found.detail += " " + sentence(err)
	}
	// Not by what err wraps: a dial that times out is a deadline exceeded, too,
	// but not the call's.
	if errors.Is(err, errTransport) && !errors.Is(err, token.ErrUnavailable) {
		fault := p.options.Explain(err)
		found = problemOf(fault.Problem)
		x.class, x.level, x.cause, x.remedy = fault.Class, found.level, fault.Cause, fault.Remedy
	}
	x.refuse(found)
}

// close names how the exchange ended, if nothing did so yet, and writes its
// log line. A panic of ours ends the exchange as a broken one, and no other.
func (p *Proxy) close(x *exchange) {
	panicked := recover()
	p.load.release(x)
	if x.abort != nil {
		x.abort(nil)
	}
	var broken error
	if x.answered != nil {
		broken = x.answered.broken
	}
	switch {
	case panicked != nil && panicked != http.ErrAbortHandler: //nolint:errorlint // a panic's value, no error
		x.class, x.level, x.cause, x.stack = classInternal, zap.ErrorLevel, fmt.Sprintf("a panic with a value of type %T", panicked), debug.Stack()
		panicked = http.ErrAbortHandler
	case x.class != "":
	case x.complete && x.status >= http.StatusInternalServerError:
		x.class, x.level = classBackendError, zap.WarnLevel
	case x.complete:
	case x.clientGone():
		x.class = classClientGone
	case errors.Is(broken, context.DeadlineExceeded):
		x.class, x.level = problemOf(context.DeadlineExceeded).class, zap.WarnLevel
	case broken != nil:
		x.class, x.level, x.cause = classCut, zap.WarnLevel, p.options.Explain(broken).Cause
	default:
		x.class, x.level = classInternal, zap.ErrorLevel
	}
	for id := range x.rules.All() {
		p.fired[id].Add(1)
	}
	p.journal.write(x)
	if panicked != nil {
		panic(panicked)
	}
}

// RulesFired returns, for the name of each rule of [scim.Rules], how many
// exchanges it changed since the Proxy was made. An exchange counts when it has
// ended, however it ended; a rule that never fired is there with 0.
func (p *Proxy) RulesFired() map[string]uint64 {
	counts := make(map[string]uint64, len(p.fired))
	for id := range p.fired {
		counts[scim.ID(id).String()] = p.fired[id].Load()
	}
	return counts
}

// IsPing reports whether r is the Functions host's question whether the
// handler is up: GET / without body and invocation id. It waits for any answer.
func IsPing(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.ContentLength == 0 && r.Header.Get(invocationHeader) == ""
}

// Misconfigured returns a handler for a process whose settings are bad but
// that has to stay up: it answers the host's ping and refuses every other call
// with 503.
func Misconfigured(log *zap.Logger) http.Handler {
	journal := newJournal(log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if IsPing(r) {
			return
		}
		x := newExchange(w, r, bodyLimit)
		found := problemOf(errSettings)
		x.class, x.level, x.remedy = found.class, found.level, found.remedy
		x.refuse(found)
		journal.write(x)
	})
}
