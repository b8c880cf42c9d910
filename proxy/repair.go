package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/scim"
)

const (
	// readingRules are the response rules that cannot act on an encoded body.
	readingRules = scim.AnswerRules | 1<<scim.FilterNotFound | 1<<scim.HTMLError
	// responseRules are all of them.
	responseRules = readingRules | 1<<scim.ResponseType
)

// publicBase is the URL that the backend's base is published at.
func (o *Options) publicBase() string { return strings.TrimSuffix(o.PublicURL, "/") + o.Path }

func newLocations(options *Options) *scim.Locations {
	if options.PublicURL == "" {
		return nil
	}
	return scim.NewLocations(options.Backend, options.Host, options.publicBase())
}

// repair applies the response rules to a backend's answer. What cannot be
// repaired passes as it came.
func (p *Proxy) repair(x *exchange, response *http.Response) {
	rules := p.options.Normalizer.Rules() & responseRules
	if p.locations == nil {
		rules &^= 1 << scim.Location
	}
	if rules == 0 || !isRepairable(x, response) {
		if rules.Has(scim.ExcludedMembers) && isEncoded(response.Header["Content-Encoding"]) && scim.ExcludesMembers(x.query) {
			x.level, x.cause = zap.WarnLevel, "the answer is encoded, though the proxy asked for it plain, and members may be in it"
		}
		return
	}
	switch {
	case rules.Has(scim.FilterNotFound) && p.isFilterNotFound(x, response):
		answerEmptyList(response)
		x.fire(scim.FilterNotFound)
		return
	case rules.Has(scim.HTMLError) && isHTMLError(response):
		answerHTMLError(x, response)
		x.fire(scim.HTMLError)
	}
	if rules.Has(scim.ResponseType) && repairType(response) {
		x.fire(scim.ResponseType)
	}
	if rules.Has(scim.Location) && p.repairLocation(response.Header) {
		x.fire(scim.Location)
	}
	p.repairBody(x, response, bodyRules(x, response, rules))
}

// fire notes a rule that changed the answer.
func (x *exchange) fire(rule scim.ID) { x.rules = x.rules.With(rule) }

// isRepairable reports whether an answer has a body that can be read.
func isRepairable(x *exchange, response *http.Response) bool {
	switch response.StatusCode {
	case http.StatusNoContent, http.StatusResetContent, http.StatusNotModified:
		return false
	}
	return x.method != http.MethodHead && !isEncoded(response.Header["Content-Encoding"])
}

// isCollection reports whether the call is about a collection of resources, or
// what looks like one: a path of one segment.
func (p *Proxy) isCollection(x *exchange) bool {
	switch x.endpoint {
	case "/", "/Me", "/Bulk", "/.search", "/ServiceProviderConfig", "/Schemas", "/ResourceTypes":
		return false
	}
	// A base that ends in an endpoint makes a resource of what looks like a
	// collection.
	if _, known := templatesOf(p.basePath[strings.LastIndex(p.basePath, "/")+1:]); known {
		return false
	}
	return !strings.Contains(p.resource(x), "/")
}

// resource is the path that the client asked for, below the public one, without
// slashes around it.
func (p *Proxy) resource(x *exchange) string {
	return strings.Trim(strings.TrimPrefix(x.path, p.basePath), "/")
}

// isFilterNotFound reports whether the backend says of a filtered collection
// that it does not exist, where it means that nothing matches. Without a SCIM
// Error it may be that there is no such service: as an empty list, that would
// make Entra create everybody anew.
func (p *Proxy) isFilterNotFound(x *exchange, response *http.Response) bool {
	if response.StatusCode != http.StatusNotFound || x.method != http.MethodGet || !p.isCollection(x) {
		return false
	}
	query, err := url.ParseQuery(x.query)
	return err == nil && strings.TrimSpace(query.Get("filter")) != "" && isSCIMError(response)
}

const emptyList = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[],"startIndex":1,"itemsPerPage":0}`

func answerEmptyList(response *http.Response) {
	replaceBody(response, []byte(emptyList))
	response.StatusCode = http.StatusOK
	for _, name := range []string{"Allow", "Location", "Retry-After"} { // an error's
		response.Header.Del(name)
	}
}

// isHTMLError reports whether an error comes as a page for people, or as any
// other markup: a gateway's, often, and with any type, JSON's among them.
func isHTMLError(response *http.Response) bool {
	if response.StatusCode < http.StatusBadRequest {
		return false
	}
	name, first := strings.ToLower(mediaType(response.Header.Get("Content-Type"))), firstByte(response)
	if name == "text/html" || name == "application/xhtml+xml" {
		// PHP's default type is HTML, whatever the script writes.
		return first != 0 && first != '{' && first != '['
	}
	return first == '<'
}

func answerHTMLError(x *exchange, response *http.Response) {
	body, err := json.Marshal(scimError{
		Schemas: []string{errorSchema}, Status: strconv.Itoa(response.StatusCode),
		Detail: "The identity backend answered with a page instead of a SCIM Error. Request id: " + x.id,
	})
	if err != nil {
		panic(err) // it is made of strings
	}
	replaceBody(response, body)
}

// replaceBody gives the answer another body, a SCIM message.
func replaceBody(response *http.Response, body []byte) {
	// Unread: it may trickle.
	_ = response.Body.Close()
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Set("Content-Type", mediaSCIM)
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	response.Header.Del("Etag")
	response.Header.Del("Last-Modified")
}

// sniffLimit bounds the white space before firstByte gives up.
const sniffLimit = 4 << 10

// firstByte returns the first byte of the body that is not white space, nor of
// a byte order mark; 0 if there is none. The body can be read as before.
func firstByte(response *http.Response) (first byte) {
	if response.ContentLength == 0 {
		return 0
	}
	start := make([]byte, 0, sniffLimit)
	for err := error(nil); first == 0 && err == nil && len(start) < cap(start); {
		var n int
		n, err = response.Body.Read(start[len(start):cap(start)])
		start = start[:len(start)+n]
		if text := bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\ufeff")), " \t\r\n"); len(text) > 0 && (len(start) >= 3 || err != nil) {
			first = text[0]
		}
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), response.Body), response.Body}
	return first
}

// isJSONType reports whether a media type is one of JSON (RFC 6839 section 3.1).
func isJSONType(name string) bool {
	return strings.EqualFold(name, mediaJSON) || len(name) > 5 && strings.EqualFold(name[len(name)-5:], "+json")
}

// repairType gives JSON the media type of SCIM.
func repairType(response *http.Response) bool {
	contentType := response.Header.Get("Content-Type")
	name := mediaType(contentType)
	switch {
	case strings.EqualFold(name, mediaJSON):
		_, parameters, found := strings.Cut(contentType, ";")
		if found {
			parameters = ";" + parameters
		}
		response.Header.Set("Content-Type", mediaSCIM+parameters)
		return true
	case contentType == "":
		if first := firstByte(response); first == '{' || first == '[' {
			response.Header.Set("Content-Type", mediaSCIM)
			return true
		}
	}
	return false
}

// repairLocation maps the header Location.
func (p *Proxy) repairLocation(header http.Header) (changed bool) {
	for i, location := range header["Location"] {
		public := p.locations.Map(location)
		if public != location {
			header["Location"] = slices.Clone(header["Location"])
			header["Location"][i] = public
			changed = true
		}
	}
	return changed
}
