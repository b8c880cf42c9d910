package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Invocation is one run of a function.
type Invocation struct {
	// ID is a UUID, the value of X-Azure-Functions-InvocationId and
	// x-ms-invocation-id.
	ID string
	// Traceparent is the W3C Trace Context that the handler gets, the client's
	// if it sent one; empty with Options.NoTraceparent and none from the client.
	Traceparent string
	// Function is the name of the function's folder.
	Function string

	path string // decoded
}

// invocationKey is the context's key of the *Invocation.
type invocationKey struct{}

// InvocationOf returns the invocation that a request within Options.Around
// belongs to, and false for the context of anything else.
func InvocationOf(ctx context.Context) (Invocation, bool) {
	invocation, ok := ctx.Value(invocationKey{}).(*Invocation)
	if !ok {
		return Invocation{}, false
	}
	return *invocation, true
}

// defaultBodyLimit is Kestrel's limit as the host sets it, in bytes, and
// bodyLimitSetting the app setting that replaces it (host, Program.cs:50,
// ScriptConstants.cs:239 and HttpRequestBodySizeMiddleware.cs:38-60).
const (
	defaultBodyLimit = 104857600
	bodyLimitSetting = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
)

// serve takes a call from the client to the invocation.
func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	if h.refuseStopped(w) {
		return
	}
	path, err := requestPath(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f := h.app.find(r.Method, path)
	if f == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err := readBody(w, r, h.bodyLimit()); err != nil {
		// Not 413: the failure is one of the function's binding, issue #10519.
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	select {
	case <-h.gate():
	case <-h.stopped:
		h.refuseStopped(w)
		return
	case <-r.Context().Done():
		return
	}
	invocation := &Invocation{ID: uuid.NewString(), Traceparent: r.Header.Get(traceparent), Function: f.name, path: path}
	if invocation.Traceparent == "" && !h.options.NoTraceparent {
		invocation.Traceparent = newTraceparent()
	}
	h.forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), invocationKey{}, invocation)))
}

// refuseStopped answers a call once the app is stopped. In Azure the host's
// process ends with the app; until the platform has a new one, the front end
// answers 503. The words are those of a host that is up but not ready (host,
// HostAvailabilityCheckMiddleware.cs:58-66).
func (h *Host) refuseStopped(w http.ResponseWriter) bool {
	select {
	case <-h.stopped:
		w.Header()["Content-Type"] = nil // net/http would guess one
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "Function host is not running.") // the client may have left
		return true
	default:
		return false
	}
}

// requestPath returns the path as Kestrel decodes it.
func requestPath(r *http.Request) (string, error) {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(raw, "/") { // the absolute form
		raw = r.URL.EscapedPath()
	}
	return decodePath(raw)
}

// readBody reads a body of known length to its end, as the HTTP trigger's
// binding does before the invocation looks for a handler; a chunked one is left to stream.
// The binding makes text of it, and then the stream is rewound, so that the
// bytes stay as they are (Azure/azure-webjobs-sdk-extensions,
// HttpTriggerAttributeBindingProvider.cs).
func readBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if r.ContentLength <= 0 {
		return nil
	}
	if r.ContentLength > limit {
		return fmt.Errorf("host: a body of %d bytes: %w", r.ContentLength, errTooLarge)
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("host: read the body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	return nil
}

var errTooLarge = errors.New("too large")

// bodyLimit is the largest body, in bytes. Of a setting that is there twice, the
// last counts.
func (h *Host) bodyLimit() int64 {
	limit := int64(defaultBodyLimit)
	for _, setting := range h.options.Settings {
		if value, ok := strings.CutPrefix(setting, bodyLimitSetting+"="); ok {
			if given, err := strconv.ParseInt(value, 10, 64); err == nil {
				limit = given
			}
		}
	}
	return limit
}
