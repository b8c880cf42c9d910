// Package backend is the lab's stand-in for an internal identity service: a
// SCIM 2.0 service provider (RFC 7643, RFC 7644) that keeps everything in
// memory and refuses what the RFCs refuse. It shares no code with the proxy,
// so that a misreading of the standard in one of them shows up in the other.
package backend

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Options says who may call a [Backend] and where it believes it lives.
type Options struct {
	// Token is the bearer token (RFC 6750) that every request must carry;
	// empty is an error.
	Token string
	// BasePath is the path under which the endpoints live, such as
	// "/rest/scim/v2", without a trailing slash; empty means the root. Any
	// other path is answered 404 with an HTML page, as a servlet container
	// answers for a context that it does not have.
	BasePath string
	// PublicURL is the base of meta.location and Location (RFC 7643 section
	// 3.1), without a trailing slash; what products call their external base
	// URL. Empty means relative references that begin with BasePath.
	PublicURL string
	// Faults are what this backend gets wrong in its answers; none makes it
	// strict.
	Faults []Fault
}

// Backend is a SCIM service provider in memory. It is an [http.Handler], safe
// for concurrent use, and empty when new.
type Backend struct {
	basePath string
	// credential is the digest of the token: the token itself is not kept,
	// so that no formatting of a Backend can show it.
	credential [sha256.Size]byte
	store      *store
	faults     []mistake
}

// New returns an empty backend, or an error that names the option at fault.
func New(o Options) (*Backend, error) {
	if o.Token == "" {
		return nil, errors.New("backend: Token is required")
	}
	if o.BasePath != "" && (!strings.HasPrefix(o.BasePath, "/") || strings.HasSuffix(o.BasePath, "/")) {
		return nil, fmt.Errorf("backend: BasePath %q must begin with a slash and not end with one", o.BasePath)
	}
	location := o.BasePath
	if o.PublicURL != "" {
		u, err := url.Parse(o.PublicURL)
		if err != nil {
			return nil, fmt.Errorf("backend: PublicURL: %w", err)
		}
		if u.Scheme == "" || u.Host == "" || strings.HasSuffix(o.PublicURL, "/") {
			return nil, fmt.Errorf("backend: PublicURL %q must be absolute and not end with a slash", o.PublicURL)
		}
		location = o.PublicURL
	}
	var mistakes []mistake
	for _, fault := range o.Faults {
		found, ok := faults[fault]
		if !ok {
			return nil, fmt.Errorf("backend: Faults holds %q, which is none", fault)
		}
		mistakes = append(mistakes, found)
	}
	return &Backend{
		basePath:   o.BasePath,
		credential: sha256.Sum256([]byte(o.Token)),
		store:      newStore(location),
		faults:     mistakes,
	}, nil
}

// Strict returns a view of the same resources without the faults.
func (b *Backend) Strict() *Backend {
	view := *b
	view.faults = nil
	return &view
}

// WithToken returns a view of the same resources that expects another token,
// which must not be empty.
func (b *Backend) WithToken(token string) *Backend {
	view := *b
	view.credential = sha256.Sum256([]byte(token))
	return &view
}

// Users returns the number of users that exist.
func (b *Backend) Users() int { return b.store.size(userType) }

// Groups returns the number of groups that exist.
func (b *Backend) Groups() int { return b.store.size(groupType) }

// call is one request with what routing found out about it.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	kind  *resourceType // nil for /ServiceProviderConfig
	id    string        // empty for a collection
	query url.Values
}

// methods maps each HTTP method of one kind of endpoint to what it does (RFC
// 7644 section 3.2).
type methods map[string]func(*Backend, call) (answer, error)

var (
	collectionMethods = methods{
		http.MethodGet:  (*Backend).list,
		http.MethodPost: (*Backend).create,
	}
	resourceMethods = methods{
		http.MethodGet:    (*Backend).get,
		http.MethodPut:    (*Backend).replace,
		http.MethodPatch:  (*Backend).patch,
		http.MethodDelete: (*Backend).remove,
	}
	configMethods = methods{
		http.MethodGet: (*Backend).serviceProviderConfig,
	}
)

// ServeHTTP answers one SCIM request (RFC 7644 section 3).
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	rest, ok := strings.CutPrefix(path, b.basePath)
	if !ok || (b.basePath != "" && rest != "" && rest[0] != '/') {
		answer{status: http.StatusNotFound, body: containerNotFound}.write(w, r)
		return
	}
	for _, fault := range b.faults {
		if fault.misread != nil {
			r = fault.misread(*r)
		}
	}
	got, err := b.serve(w, r, rest)
	if err != nil {
		got = errorAnswer(err)
	}
	for _, fault := range b.faults {
		if fault.spoil != nil {
			got = fault.spoil(r, w.Header(), got)
		}
	}
	got.write(w, r)
}

// serve is ServeHTTP below the base path.
func (b *Backend) serve(w http.ResponseWriter, r *http.Request, path string) (answer, error) {
	if !b.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="scim"`)
		return answer{}, &scimError{status: http.StatusUnauthorized, detail: "a valid bearer token is required"}
	}
	c := call{w: w, r: r}
	table, err := c.route(path)
	if err != nil {
		return answer{}, err
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve, ok := table[method]
	if !ok {
		w.Header().Set("Allow", table.allow())
		return answer{}, &scimError{status: http.StatusMethodNotAllowed, detail: "the method is not supported here"}
	}
	// A query that does not parse may have lost its filter; answering it
	// would list everybody.
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return answer{}, refuse(invalidFilter, "the query string is malformed")
	}
	for name, values := range c.query {
		if len(values) > 1 {
			return answer{}, refuse(invalidFilter, "the query parameter %q is repeated", name)
		}
	}
	return serve(b, c)
}

// authorized reports whether r carries the bearer token, and one credential
// only (RFC 6750 section 2.1).
func (b *Backend) authorized(r *http.Request) bool {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	digest := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(digest[:], b.credential[:]) == 1
}

// route finds the endpoint that path, still escaped, names.
func (c *call) route(path string) (methods, error) {
	if path == "/ServiceProviderConfig" {
		return configMethods, nil
	}
	endpoint, id, single := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for _, kind := range resourceTypes {
		if kind.endpoint != endpoint {
			continue
		}
		c.kind = kind
		if !single {
			return collectionMethods, nil
		}
		id, err := url.PathUnescape(id)
		if err != nil || id == "" || strings.Contains(id, "/") {
			break
		}
		c.id = id
		return resourceMethods, nil
	}
	return nil, &scimError{status: http.StatusNotFound, detail: "there is no such endpoint"}
}

// allow is the value of the Allow field (RFC 9110 section 10.2.1).
func (m methods) allow() string {
	names := slices.Collect(maps.Keys(m))
	if m[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
