package backend

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

const (
	mediaType  = "application/scim+json"
	errorURN   = "urn:ietf:params:scim:api:messages:2.0:Error"
	listURN    = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchOpURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// The scimType values of RFC 7644 table 9 that this backend answers.
const (
	invalidFilter = "invalidFilter"
	invalidPath   = "invalidPath"
	invalidSyntax = "invalidSyntax"
	invalidValue  = "invalidValue"
	mutability    = "mutability"
	noTarget      = "noTarget"
	uniqueness    = "uniqueness"
)

// scimError is an error as the client sees it (RFC 7644 section 3.12).
type scimError struct {
	status   int
	scimType string // empty where table 9 has no name for it
	detail   string
}

// Error implements error.
func (e *scimError) Error() string {
	return fmt.Sprintf("scim %d %s: %s", e.status, e.scimType, e.detail)
}

// refuse makes a 400 with a name from table 9.
func refuse(scimType, format string, args ...any) error {
	return &scimError{status: http.StatusBadRequest, scimType: scimType, detail: fmt.Sprintf(format, args...)}
}

// answer is what a request gets; a nil body means none.
type answer struct {
	status int
	body   any    // what encodes to JSON, or a page
	media  string // of JSON; empty means mediaType
}

// page is a body in HTML.
type page string

// errorAnswer turns err into a SCIM Error.
func errorAnswer(err error) answer {
	problem, ok := errors.AsType[*scimError](err)
	if !ok {
		problem = &scimError{status: http.StatusInternalServerError, detail: "the backend failed"}
	}
	body := map[string]any{
		"schemas": []string{errorURN},
		"status":  strconv.Itoa(problem.status),
		"detail":  problem.detail,
	}
	if problem.scimType != "" {
		body["scimType"] = problem.scimType
	}
	return answer{status: problem.status, body: body}
}

// write sends a. HEAD gets the header fields of GET without the content (RFC
// 9110 section 9.3.2).
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	a.encoded().send(w, r)
}

// encoded is an answer as it goes out; nil data means no body.
type encoded struct {
	status int
	media  string
	data   []byte
}

func (a answer) encoded() encoded {
	if a.body == nil {
		return encoded{status: a.status}
	}
	if text, ok := a.body.(page); ok {
		return encoded{a.status, "text/html; charset=utf-8", []byte(text)}
	}
	data, err := json.Marshal(a.body)
	if err != nil {
		// Bodies are made of strings, booleans, ints, maps and slices only.
		panic(err)
	}
	return encoded{a.status, cmp.Or(a.media, mediaType), data}
}

func (e encoded) send(w http.ResponseWriter, r *http.Request) {
	if e.data == nil {
		w.WriteHeader(e.status)
		return
	}
	w.Header().Set("Content-Type", e.media)
	w.Header().Set("Content-Length", strconv.Itoa(len(e.data)))
	w.WriteHeader(e.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(e.data) // the client is gone; nobody is left to tell
	}
}

// containerNotFound is the 404 of what stands in front of the application,
// which knows nothing of SCIM.
const containerNotFound page = `<!doctype html><html lang="en"><head><title>HTTP Status 404 - Not Found</title></head>` +
	`<body><h1>HTTP Status 404 - Not Found</h1><hr /><p>The requested resource is not available.</p></body></html>`
