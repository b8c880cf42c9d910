// Package backend is the lab's stand-in for an internal identity service: a
// SCIM 2.0 service provider (RFC 7643, RFC 7644) that keeps everything in
// memory and refuses what the RFCs refuse, unless its options ask for what
// servers in the field do. It shares no code with the proxy, so that a
// misreading of the standard in one of them shows up in the other.
package backend

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options says who may call a [Backend], where it believes it lives, and what
// it does otherwise than the RFCs have it. The zero value of the latter is
// nothing.
type Options struct {
	// Token is the bearer token (RFC 6750) that every request must carry; empty
	// is an error unless Basic or Anonymous stands in for it.
	Token string
	// KeyHeader is the header field, such as "X-Api-Key", that carries Token
	// instead of Authorization, as it is and without a scheme; it excludes
	// Basic. Empty means a bearer token.
	KeyHeader string
	// Basic is a credential that is accepted beside Token, or alone if Token is
	// empty (RFC 7617); the zero value is none.
	Basic BasicAuth
	// Anonymous asks for no credential: TLS has identified the caller before
	// (RFC 7644 section 2), which is up to the server that serves the backend.
	// It excludes Token, KeyHeader and Basic.
	Anonymous bool
	// BasePath is the path under which the endpoints live, such as
	// "/rest/scim/v2", without a trailing slash; empty means the root. Any
	// other path is answered 404 with an HTML page, as a servlet container
	// answers for a context that it does not have.
	BasePath string
	// PublicURL is the base of meta.location and Location (RFC 7643 section
	// 3.1), without a trailing slash; what products call their external base
	// URL. Empty means relative references that begin with BasePath.
	PublicURL string
	// Faults are what this backend gets wrong in its answers.
	Faults []Fault
	// Lenient takes the shapes of Entra's requests that the RFCs do not know,
	// as forgiving servers do, and ignores attributes that the schema does
	// not have; false refuses both.
	Lenient bool
	// Habits are what this backend does otherwise than the RFCs have it. One
	// that stands before another is asked first.
	Habits []Habit
	// Unsupported are attributes that this backend does not have: "title",
	// "name.formatted", the URI of an extension, or that with a colon and an
	// attribute. A body that names one gets 400, in a lenient backend, too.
	// None means that it has all that the schemas have.
	Unsupported []string
	// GroupLists say whose members are assigned; the zero value assigns all.
	GroupLists GroupLists
	// Audit is how many calls the audit log keeps, the latest ones; 0 keeps
	// none.
	Audit int
}

// Backend is a SCIM service provider in memory. It is an [http.Handler], safe
// for concurrent use, and empty when new.
type Backend struct {
	basePath    string
	credentials []credential // one of which a call needs; nil for none
	kinds       []*resourceType
	store       *store
	memory      *memory
	audit       *audit
	faults      []mistake
	habits      []habit
	lenient     *leniency // nil for none
}

// New returns an empty backend, or an error that names the option at fault.
func New(o Options) (*Backend, error) {
	credentials, err := credentialsOf(o)
	if err != nil {
		return nil, err
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
	b := &Backend{
		basePath:    o.BasePath,
		credentials: credentials,
		kinds:       resourceTypes,
		store:       newStore(location),
		memory:      newMemory(),
		audit:       &audit{size: o.Audit},
	}
	if b.faults, err = mistakesOf(o.Faults); err != nil {
		return nil, err
	}
	if b.habits, err = habitsOf(o); err != nil {
		return nil, err
	}
	if o.Lenient {
		b.lenient = &leniency{activeAsSent: slices.Contains(o.Habits, BooleanActive)}
	}
	if slices.Contains(o.Habits, NoGroups) {
		b.kinds = []*resourceType{userType}
	}
	return b, nil
}

// Strict returns a view of the same resources without faults, habits and
// leniency, which shows those, too, that a habit hides.
func (b *Backend) Strict() *Backend {
	view := *b
	view.faults, view.habits, view.lenient, view.kinds = nil, nil, nil, resourceTypes
	return &view
}

// WithFaults returns a view of the same resources that has these faults and
// no others, or an error that names one that is none.
func (b *Backend) WithFaults(names ...Fault) (*Backend, error) {
	view := *b
	var err error
	if view.faults, err = mistakesOf(names); err != nil {
		return nil, err
	}
	return &view, nil
}

// Users returns the number of users that exist.
func (b *Backend) Users() int { return b.store.size(userType) }

// Groups returns the number of groups that exist.
func (b *Backend) Groups() int { return b.store.size(groupType) }

// call is one request with what routing found out about it.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	kind  *resourceType // nil for discovery
	id    string        // empty for a collection
	query url.Values
	body  map[string]any // nil unless the method takes one
}

// serving is what answers a call.
type serving func(*Backend, call) (answer, error)

// methods maps each HTTP method of one kind of endpoint to what it does (RFC
// 7644 section 3.2).
type methods map[string]serving

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
)

// ServeHTTP answers one SCIM request (RFC 7644 section 3).
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	got := b.respond(w, r).encoded()
	// Before the answer goes out: who has it finds it in the log.
	b.audit.note(began, r, got)
	got.send(w, r)
}

// respond is ServeHTTP but for the writing.
func (b *Backend) respond(w http.ResponseWriter, r *http.Request) answer {
	path := r.URL.EscapedPath()
	rest, ok := strings.CutPrefix(path, b.basePath)
	if !ok || (b.basePath != "" && rest != "" && rest[0] != '/') {
		return answer{status: http.StatusNotFound, body: containerNotFound}
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
	return got
}

// serve is ServeHTTP below the base path.
func (b *Backend) serve(w http.ResponseWriter, r *http.Request, path string) (answer, error) {
	if err := b.admit(r, w.Header()); err != nil {
		return answer{}, err
	}
	c := call{w: w, r: r}
	table, err := c.route(path, b.kinds)
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
	if takesBody[method] {
		if c.body, err = readObject(w, r); err != nil {
			return answer{}, err
		}
		if b.lenient != nil {
			c.body = b.lenient.translated(c.kind, method, c.body)
		}
	}
	return b.withHabits(method, c, serve)(b, c)
}

// takesBody has the methods whose content means something here.
var takesBody = map[string]bool{http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true}

// route finds the endpoint that path, still escaped, names. Of the resource
// types only those given have one.
func (c *call) route(path string, kinds []*resourceType) (methods, error) {
	if table := c.discovery(path); table != nil {
		return table, nil
	}
	endpoint, id, single := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for _, kind := range kinds {
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
