package entra

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// tenant is a tenant URL taken apart.
type tenant struct {
	origin  string // scheme and host
	base    string // escaped path without trailing slash
	forward string // query to send with every call, or none
	dialect dialect
}

// parseTenant never quotes the URL in its errors: a tenant URL may carry a
// function key in its query.
func parseTenant(raw string, forwardFlag bool) (tenant, error) {
	parsed, err := url.Parse(raw)
	if err != nil {
		return tenant{}, errors.New("entra: the tenant URL does not parse")
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" || parsed.User != nil {
		return tenant{}, errors.New("entra: the tenant URL must be http or https with a host and no user")
	}
	t := tenant{
		origin:  parsed.Scheme + "://" + parsed.Host,
		base:    strings.TrimRight(parsed.EscapedPath(), "/"),
		dialect: dialectOf(parsed.RawQuery),
	}
	if forwardFlag {
		t.forward = parsed.RawQuery
	}
	return t, nil
}

// dialectOf picks the dialect by the keys of a raw query, in any case, with or
// without a value: "?aadOptSCIM062020=true" is seen too. Without a flag it is
// the default one.
func dialectOf(rawQuery string) dialect {
	for pair := range strings.SplitSeq(rawQuery, "&") {
		key, _, _ := strings.Cut(pair, "=")
		for _, known := range dialects() {
			if slices.ContainsFunc(known.flags, func(flag string) bool { return strings.EqualFold(flag, key) }) {
				return known
			}
		}
	}
	return dialects()[0]
}

// target returns path and query as they go into the request line.
func (t tenant) target(path, query string) string {
	target := t.base + path
	parts := slices.DeleteFunc([]string{t.forward, query}, func(part string) bool { return part == "" })
	if len(parts) > 0 {
		target += "?" + strings.Join(parts, "&")
	}
	return target
}

// equals is the query of a look-up by one attribute, in the form and order of
// Entra's captures: excludedAttributes before filter, form encoding.
func equals(excluded, attribute, value string) string {
	query := "filter=" + escape(attribute+` eq "`+value+`"`)
	if excluded != "" {
		query = excludes(excluded) + "&" + query
	}
	return query
}

func excludes(attribute string) string {
	return "excludedAttributes=" + escape(attribute)
}

// refers is the query that asks whether a resource has another for its member,
// or manager, both given by their escaped ids or as {keys}: the one way in which
// Entra looks at references, if it still does.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
func refers(id, attribute, to string) string {
	return "attributes=id&filter=id+eq+%22" + id + "%22+and+" + attribute + "+eq+%22" + to + "%22"
}

// escape encodes like an HTML form ("+" for a space), with the lower-case hex
// digits that Microsoft's client library sends and url.QueryEscape does not.
func escape(text string) string {
	escaped := []byte(url.QueryEscape(text))
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '%' {
			copy(escaped[i+1:i+3], strings.ToLower(string(escaped[i+1:i+3])))
			i += 2
		}
	}
	return string(escaped)
}
