package check

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
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
	answers := make([]bool, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { // ends with its call, which heeds ctx
			got, err := c.askBelow(ctx, c.base()+part, http.MethodGet, usersProbe(), nil, c.value(Outbound).Current())
			answers[i] = err == nil && isList(got)
		})
	}
	all.Wait()
	for i, part := range parts {
		if answers[i] {
			found = append(found, c.base()+part)
		}
	}
	return found
}

// brief describes an answer for details, without its body, which may be about
// people.
func (a answer) brief() string {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		media = "no Content-Type"
	}
	size := fmt.Sprintf("%d bytes", len(a.body))
	if a.cut {
		size = "more than 1 MiB"
	}
	return fmt.Sprintf("the answer: status %d, %.60s, %s", a.status, media, size)
}

// leads says where a redirect leads, without the query, which may be about a
// session.
func (c *check) leads(got answer) []string {
	target, err := url.Parse(got.header.Get("Location"))
	if err != nil || target.Host == "" && target.Path == "" {
		return nil
	}
	to := (&url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path}).String()
	if c.leaks(to) || c.leaks(target.Path) {
		return nil
	}
	return []string{fmt.Sprintf("the redirect leads to %.200s", to)}
}

// leaks reports whether a text that came from outside holds a secret.
func (c *check) leaks(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, values := range c.values {
		for _, value := range values {
			if secret := value.Reveal(); secret != "" && strings.Contains(text, secret) {
				return true
			}
		}
	}
	return false
}
