package check

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/entra-scim-proxy/proxy/token"
)

// parts are what BACKEND_URL's path may lack: what products have between their
// own path and the resources (docs/backends). No other path is tried: it may be
// another service's on the same host, which must not see the credential.
var parts = []string{"/v2", "/scim/v2", "/scim", "/rest/scim/v2"}

// orElsewhere adds to a finding whether the SCIM service is at a longer path.
func (c *check) orElsewhere(ctx context.Context, finding Finding) Finding {
	found := c.elsewhere(ctx)
	if len(found) == 0 {
		return finding
	}
	finding.Found += "; a path below it answers"
	for _, path := range found {
		finding.Details = append(finding.Details, "a SCIM service answers at the path "+path)
	}
	return finding
}

// elsewhere returns the longer paths that answer the probe of users.
func (c *check) elsewhere(ctx context.Context) (found []string) {
	answers := beside(len(parts), func(i int) bool {
		got, err := c.askBelow(ctx, c.base()+parts[i], http.MethodGet, usersProbe(), nil, c.value(Outbound).Current())
		return err == nil && isList(got)
	})
	for i, part := range parts {
		if answers[i] {
			found = append(found, c.base()+part)
		}
	}
	return found
}

// mediaNames are those that are shown: another one is anybody's text.
var mediaNames = []string{
	"application/scim+json", "application/json", "application/problem+json", "application/octet-stream",
	"application/xml", "text/xml", "text/html", "application/xhtml+xml", "text/plain",
}

// brief describes an answer for details, without its body, which may be about
// people.
func (a answer) brief() string {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case err != nil:
		media = "no Content-Type"
	case !slices.Contains(mediaNames, media):
		media = "another Content-Type"
	}
	size := fmt.Sprintf("%d bytes", len(a.body))
	if a.cut {
		size = "more than 512 KiB"
	}
	return fmt.Sprintf("the answer: status %d, %s, %s", a.status, media, size)
}

// leads says where a redirect leads, without the query, which may be about a
// session.
func (c *check) leads(got answer) []string {
	target, err := url.Parse(got.header.Get("Location"))
	if err != nil || target.Host == "" && target.Path == "" {
		return nil
	}
	to := (&url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path}).String()
	if c.leaks(to) || c.leaks(target.Host+target.Path) {
		return nil
	}
	return []string{fmt.Sprintf("the redirect leads to %.200s", to)}
}

// leaks reports whether a text that came from outside holds a secret, as it is or
// as the backend is shown it.
func (c *check) leaks(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	text = strings.ToLower(text)
	for _, values := range c.values {
		for _, value := range values {
			for _, form := range c.forms(value) {
				if form != "" && strings.Contains(text, strings.ToLower(form)) {
					return true
				}
			}
		}
	}
	return false
}

// forms are how a secret may come back: its value, and what HTTP Basic makes of
// it, without the padding.
func (c *check) forms(value token.Secret) []string {
	list := []string{value.Reveal()}
	if c.Present != nil {
		header := http.Header{}
		c.Present(header, value)
		_, shown, _ := strings.Cut(header.Get("Authorization"), " ")
		list = append(list, strings.TrimRight(shown, "="))
	}
	return list
}
