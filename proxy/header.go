package proxy

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"example.com/entra-scim-proxy/proxy/scim"
)

// The media types of RFC 7644 section 3.1.
const (
	mediaSCIM = "application/scim+json"
	mediaJSON = "application/json"
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
	return allowed(in, requestHeaders)
}

// allowed returns a new header with those of the names.
func allowed(in http.Header, names []string) http.Header {
	out := make(http.Header, len(names))
	for _, name := range names {
		if values, ok := in[name]; ok {
			out[name] = values
		}
	}
	return out
}

// normalizeHeader applies the request rules that are about headers. It must not
// fail: the call is about to be handed over.
func (p *Proxy) normalizeHeader(x *exchange, header http.Header) {
	rules := p.options.Normalizer.Rules()
	if rules.Has(scim.AcceptSCIM) && !acceptsSCIM(header["Accept"]) {
		header["Accept"] = []string{mediaSCIM}
		x.rules = x.rules.With(scim.AcceptSCIM)
	}
	if rules.Has(scim.ContentTypeJSON) && x.body.length != 0 {
		if values := header["Content-Type"]; len(values) == 1 && strings.EqualFold(mediaType(values[0]), mediaSCIM) {
			_, parameters, found := strings.Cut(values[0], ";")
			if found {
				parameters = ";" + parameters
			}
			header["Content-Type"] = []string{mediaJSON + parameters}
			x.rules = x.rules.With(scim.ContentTypeJSON)
		}
	}
}

// mediaType is a Content-Type without its parameters. Unlike that of package
// mime it does not mind what they look like.
func mediaType(contentType string) string {
	name, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(name)
}

// acceptsSCIM reports whether an Accept leaves the backend a media type of
// RFC 7644 section 3.1. The most specific range that matches a type decides on
// it (RFC 9110 section 12.5.1).
func acceptsSCIM(accept []string) bool {
	return accepts(accept, mediaSCIM) || accepts(accept, mediaJSON)
}

func accepts(accept []string, wanted string) bool {
	ranges := [...]string{"*/*", "application/*", wanted} // of rising precedence
	best, accepted := -1, false
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			// With broken parameters, such as a comma in quotes, the name is still good.
			name, parameters, _ := mime.ParseMediaType(item)
			for precedence, candidate := range ranges {
				if name != candidate || precedence < best {
					continue
				}
				quality, err := strconv.ParseFloat(parameters["q"], 64)
				isAccepted := err != nil || quality > 0 // without a q it is 1
				accepted = isAccepted || accepted && precedence == best
				best = precedence
			}
		}
	}
	return accepted
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
