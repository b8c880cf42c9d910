// Package entra stands in for the Microsoft Entra provisioning service: a SCIM
// client that sends the requests Entra documents, with the details that show on
// the wire, and judges each answer by what Entra needs from it.
//
// It speaks HTTP/1.1 only, sends no Accept, Accept-Encoding or User-Agent,
// marks its requests with ADSCIMVersion, assembles queries by hand and follows
// no redirect. Unlike Entra it goes through HTTPS_PROXY, where one is set.
package entra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	contentType = "application/scim+json; charset=utf-8"
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 16 << 20
)

// Options configures a Client. TenantURL and Token are required.
type Options struct {
	// TenantURL is what an administrator types into the portal: the SCIM base
	// URL, with the flag that chooses the dialect in its query
	// ("https://host/scim?aadOptscim062020"; without a flag it is the default
	// one). A trailing slash is harmless.
	TenantURL string
	// Token is the portal's "Secret Token"; the scheme is added to it.
	Token string
	// ADSCIMVersion is the value of the header of that name; empty means "5.0".
	ADSCIMVersion string
	// ForwardFlag sends the tenant URL's query with every call, in front of the
	// call's own. Entra is believed to consume it; whether it always does is not
	// documented.
	ForwardFlag bool
	// MemberRefNull sends "$ref": null with every member. Microsoft's samples
	// have it, most captures have not.
	MemberRefNull bool
	// LegacyGroupSchema creates groups as Microsoft's sample does: with a schema
	// that SCIM does not know, and without members.
	LegacyGroupSchema bool
	// ReplaceMissing replaces what the user does not have yet, instead of adding
	// it. Which of the two Entra sends cannot be foretold
	// (https://learn.microsoft.com/answers/questions/1373350).
	ReplaceMissing bool
	// AppRoles maps app roles to roles, by AppRoleAssignmentsComplex; the
	// mapping that new applications come with does not. It adds steps to a lifecycle.
	AppRoles bool
	// Lost are attributes of resources, and URIs of extensions, that are known
	// not to reach the endpoint, so that a lifecycle does not miss them.
	Lost []string
	// Timeout bounds one call, its body included; zero means Entra's 60 s.
	Timeout time.Duration
	// Traceparent makes the W3C Trace Context of each call, so that a test can
	// tell what became of it. Entra sends none, and nil sends none.
	Traceparent func() string
}

// Client sends Entra's requests to one tenant URL. It is safe for concurrent
// use. Its zero value is not usable: New makes one.
type Client struct {
	tenant  tenant
	options Options
	token   atomic.Pointer[string]
	http    *http.Client
}

// New checks the options and returns a client. It sends nothing. The error
// says which option is not usable.
func New(options Options) (*Client, error) {
	tenant, err := parseTenant(options.TenantURL, options.ForwardFlag)
	if err != nil {
		return nil, err
	}
	if options.Token == "" {
		return nil, errors.New("entra: the token is empty")
	}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	if options.Timeout == 0 {
		options.Timeout = 60 * time.Second
	}
	if options.ADSCIMVersion == "" {
		options.ADSCIMVersion = "5.0"
	}
	c := &Client{
		tenant:  tenant,
		options: options,
		http: &http.Client{
			Timeout: options.Timeout,
			// Compression off is what keeps Accept-Encoding out of the request.
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, Protocols: &http1, DisableCompression: true, TLSHandshakeTimeout: options.Timeout,
				MaxIdleConnsPerHost: idleConnections,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
	c.SetToken(options.Token)
	return c, nil
}

// SetToken is what an administrator does who types another Secret Token into
// the portal: calls that begin later present it. It must not be empty.
func (c *Client) SetToken(token string) { c.token.Store(&token) }

// Dialect is the name of the dialect that the tenant URL chose: "default" or
// "compliant".
func (c *Client) Dialect() string { return c.tenant.dialect.name }

// Close drops the client's idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
}

// answer is what came back for one call.
type answer struct {
	status int
	header http.Header
	body   []byte
	trace  string // of the request
}

// grace is how long a call that makes something may go on once the context has
// ended.
const grace = 10 * time.Second

// lingering returns a context that ends that much later than ctx. Who cuts off
// a call that makes something learns no id, and the endpoint may make it after
// everybody has cleaned up.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() != nil {
		return ctx, func() {}
	}
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { // ends with longer
		select {
		case <-time.After(grace):
			cancel(context.Cause(ctx))
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel(nil) }
}

// send makes one call; a nil body sends none.
func (c *Client) send(ctx context.Context, method, target string, body []byte) (answer, error) {
	if method == http.MethodPost {
		var done context.CancelFunc
		ctx, done = lingering(ctx)
		defer done()
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.tenant.origin+target, content)
	if err != nil {
		return answer{}, fmt.Errorf("entra: build request: %w", err)
	}
	request.Header = http.Header{
		// Not Header.Set: that would send "Adscimversion".
		"ADSCIMVersion": {c.options.ADSCIMVersion},
		"Authorization": {"Bearer " + *c.token.Load()},
		// An empty value is how net/http is told to send no User-Agent.
		"User-Agent": {""},
	}
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	var got answer
	if c.options.Traceparent != nil {
		got.trace = c.options.Traceparent()
		request.Header.Set("Traceparent", got.trace)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	got.status, got.header = response.StatusCode, response.Header
	got.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return got, fmt.Errorf("the answer's body was cut off: %w", err)
	case len(got.body) > maxAnswer:
		return got, fmt.Errorf("the answer's body is larger than %d bytes", maxAnswer)
	}
	return got, nil
}
