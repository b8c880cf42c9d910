package proxy

import (
	"net/http"
	"strings"
)

// requestHeaders are the client's headers that reach the backend. Body framing
// is the transport's; Authorization, User-Agent and Host are ours.
var requestHeaders = []string{
	"Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "Content-Encoding",
	"If-Match", "If-None-Match", "Prefer", "Adscimversion", "Traceparent", "Tracestate", "X-Request-Id",
}

// responseHeaders are the backend's headers that reach the client, beside
// those with one of rateLimitPrefixes.
var responseHeaders = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Content-Encoding": true, "Etag": true, "Last-Modified": true,
	"Location": true, "Retry-After": true, "Allow": true, "Vary": true, "Cache-Control": true,
}

// rateLimitPrefixes begin the header names of
// https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ and
// their older form, spelt as net/http spells them.
var rateLimitPrefixes = []string{"Ratelimit", "X-Ratelimit-"}

// forwardedHeader returns a new header with what may reach the backend.
func forwardedHeader(in http.Header) http.Header {
	out := make(http.Header, len(requestHeaders))
	for _, name := range requestHeaders {
		if values, ok := in[name]; ok {
			out[name] = values
		}
	}
	return out
}

// filterResponseHeader deletes what may not reach the client.
func filterResponseHeader(header http.Header) {
	for name := range header {
		if !responseHeaders[name] && !hasRateLimitPrefix(name) {
			delete(header, name)
		}
	}
}

func hasRateLimitPrefix(name string) bool {
	for _, prefix := range rateLimitPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
