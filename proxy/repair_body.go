package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/scim"
)

// bodyRules returns those of the rules that can change the body: a body that
// they cannot is not parsed.
func bodyRules(x *exchange, response *http.Response, rules scim.Set) scim.Set {
	name := mediaType(response.Header.Get("Content-Type"))
	if response.StatusCode >= http.StatusMultipleChoices || response.ContentLength == 0 || x.endpoint == "/Bulk" {
		return 0
	}
	rules &= scim.AnswerRules
	if rules.Has(scim.ExcludedMembers) && !scim.ExcludesMembers(x.query) {
		rules &^= 1 << scim.ExcludedMembers
	}
	if name != "" && !isJSONType(name) {
		// Whatever it is called: a client that reads it as JSON must not see them.
		return rules & (1 << scim.ExcludedMembers)
	}
	// RFC 7644 sections 3.4.2 and 3.4.3 say what is answered with a list.
	if isSearch := strings.HasSuffix(x.path, "/.search"); !isSearch && strings.Count(x.endpoint, "/") > 1 {
		rules &^= 1 << scim.ResourcesArray
	}
	return rules
}

// repairBody applies the rules to the body, on its way to the client. What is
// short waits for its end, so that the header can tell its length.
func (p *Proxy) repairBody(x *exchange, response *http.Response, rules scim.Set) {
	if rules == 0 {
		return
	}
	body := &repairedBody{Closer: response.Body, exchange: x, reader: scim.NewAnswerReader(response.Body, scim.Answer{
		Rules: rules, Locations: p.locations, Length: response.ContentLength,
		Reserve: func(bytes int) bool { return p.load.hold(x, int64(bytes)) == nil },
	})}
	body.reader.Hold()
	body.note()
	response.Body = body
	header := response.Header
	switch length := body.reader.Length(); {
	case length >= 0:
		header.Set("Content-Length", strconv.FormatInt(length, 10))
		response.ContentLength = length
	case !body.reader.Unchanged():
		header.Del("Content-Length")
		response.ContentLength = -1
	}
	if !body.reader.Unchanged() {
		header.Del("Etag")
	}
	if rules.Has(scim.Location) && response.StatusCode == http.StatusCreated && header.Get("Location") == "" {
		if location := p.createdLocation(x, body.reader); location != "" {
			header.Set("Location", location)
			x.fire(scim.Location)
		}
	}
}

// createdLocation returns the URL of the resource that a POST has created, ""
// if it is not certain (RFC 7644 section 3.3).
func (p *Proxy) createdLocation(x *exchange, answer *scim.AnswerReader) string {
	location, id := answer.Created()
	switch {
	case isHeaderURL(location):
		return location
	case id == "", !plainSegment(url.PathEscape(id)), strings.Count(x.endpoint, "/") != 1, strings.HasSuffix(x.path, "/.search"):
		return "" // or the proxy would refuse the URL
	}
	return p.options.publicBase() + "/" + p.resource(x) + "/" + url.PathEscape(id)
}

// isHeaderURL reports whether a text is an absolute URL, and made of what a
// header may hold.
func isHeaderURL(location string) bool {
	if parsed, err := url.Parse(location); err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return false
	}
	for i := range len(location) {
		if location[i] <= ' ' || location[i] >= 0x7f {
			return false
		}
	}
	return true
}

// repairedBody is the backend's body with the rules applied to it.
type repairedBody struct {
	io.Closer
	reader   *scim.AnswerReader
	exchange *exchange
}

// Read notes for the log line what the rules did. It is called by the goroutine
// that writes the line.
func (b *repairedBody) Read(buffer []byte) (int, error) {
	n, err := b.reader.Read(buffer)
	b.note()
	if errors.Is(err, scim.ErrMembers) {
		x := b.exchange
		x.class, x.level, x.cause = classCut, zap.WarnLevel, err.Error()
	}
	return n, err
}

func (b *repairedBody) note() {
	x := b.exchange
	x.rules |= b.reader.Fired()
	if warning := b.reader.Warning(); warning != nil {
		x.level, x.cause = zap.WarnLevel, warning.Error()
	}
}
