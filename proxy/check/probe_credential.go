package check

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/entra-scim-proxy/proxy/token"
)

// withoutLimit is how long a call without a credential may take: less than the
// step, so that a backend that keeps such calls waiting does not fail it.
const withoutLimit = 3 * time.Second

// credential asks whether the backend takes the credential, and whether it asks
// for one at all. A wrong one is not tried: it could lock the account out.
func (c *check) credential(ctx context.Context) Finding {
	var without func() bool
	if c.Present != nil {
		without = begin(func() bool { return c.servesWithout(ctx) })
	}
	target, values := usersProbe(), c.value(Outbound)
	got, err := c.ask(ctx, http.MethodGet, target, nil, values.Current())
	switch {
	case err != nil:
		return silent(ctx, err)
	case got.status == http.StatusUnauthorized:
		return c.refused(ctx, got, values)
	case got.status == http.StatusForbidden:
		return c.forbidden(got)
	case !isList(got): // such as a login page
		return Finding{Status: Pass, Found: "not refused; what the answer is worth, the next steps say", Details: []string{got.brief()}}
	case without == nil:
		return Finding{Status: Pass, Found: "the backend takes the connection for a credential"}
	case !without():
		return Finding{Status: Pass, Found: "the backend takes it"}
	case c.identity != nil:
		return Finding{Status: Pass, Found: "the backend asks for no BACKEND_TOKEN: the client certificate is enough"}
	}
	return Finding{
		Status: Warn, Found: "the backend serves whoever calls: it answers without a credential, too",
		Remedy: "have the backend refuse calls without a credential",
	}
}

// servesWithout reports whether the probe with no credential gets a list.
func (c *check) servesWithout(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, withoutLimit)
	defer cancel()
	got, err := c.ask(ctx, http.MethodGet, usersProbe(), nil, token.Secret{})
	return err == nil && isList(got)
}

// refused is the finding for a 401. It tries the other values that count, and
// keeps one that is taken in front of the others, as the proxy does.
func (c *check) refused(ctx context.Context, got answer, values token.Credentials) Finding {
	for i := 1; i < len(values); i++ {
		again, err := c.ask(ctx, http.MethodGet, usersProbe(), nil, values[i])
		if err != nil || again.status == http.StatusUnauthorized {
			continue
		}
		working := slices.Concat(token.Credentials{values[i]}, values[:i], values[i+1:])
		c.keep(Outbound, working)
		return Finding{
			Status: Warn, Class: "credential_refused",
			Found:   "the backend refuses the newest value, and takes another that counts, which the proxy uses then",
			Remedy:  "make the newest value known to the backend before the other is withdrawn",
			Details: []string{"refused: " + values.Current().String(), "taken: " + values[i].String()},
		}
	}
	finding, _ := c.withheld(got)
	asks := challenges(got.header)
	if len(asks) > 0 {
		finding.Details = append(finding.Details, "the backend asks for "+strings.Join(asks, " or "))
	}
	if remedy := c.otherWay(asks); remedy != "" {
		finding.Remedy = remedy
	}
	if len(values) > 1 && ctx.Err() == nil {
		finding.Details = append(finding.Details, "no other value that counts is taken either")
	}
	return finding
}

// forbidden is the finding for a 403.
func (c *check) forbidden(got answer) Finding {
	if finding, withheld := c.withheld(got); withheld {
		return finding
	}
	return Finding{
		Status: Fail, Found: "the backend knows the credential, and answers 403", Remedy: lookUp(got).remedy,
		Details: []string{got.brief(), entraShows(got)},
	}
}

// otherWay is the remedy where the backend asks for something else than
// BACKEND_AUTH has; "" if it does not say so. With BACKEND_AUTH=none it is the
// certificate that is not known, usually.
func (c *check) otherWay(asks []string) string {
	if c.Present == nil || slices.Contains(asks, c.way()) {
		return ""
	}
	for _, way := range ways401 {
		if slices.Contains(asks, way.scheme) {
			return way.remedy
		}
	}
	return ""
}

// ways401 are the remedies for what a backend may ask for, the best first.
var ways401 = []struct{ scheme, remedy string }{
	{bearer, "set BACKEND_AUTH=bearer, with the token in BACKEND_TOKEN: the backend asks for Bearer"},
	{"Basic", "set BACKEND_AUTH=basic, with BACKEND_USERNAME and the password in BACKEND_TOKEN: the backend asks for Basic"},
	{"Negotiate", windowsLogon},
	{"NTLM", windowsLogon},
}

const windowsLogon = "have the backend take a token or a password at the path of BACKEND_URL: it asks for a Windows logon, which the proxy does not do"

// way names the scheme that the credential is shown with; "" if it has a header
// of its own.
func (c *check) way() string {
	header := http.Header{}
	c.Present(header, token.NewSecret("x"))
	scheme, _, _ := strings.Cut(header.Get("Authorization"), " ")
	return scheme
}

// schemes are those that are shown, in the spelling of IANA's registry and, of
// what is not in there, of its makers; by lower case.
// https://www.iana.org/assignments/http-authschemes/http-authschemes.xhtml
var schemes = func() map[string]string {
	byLower := map[string]string{}
	for _, name := range []string{"Basic", "Bearer", "Digest", "DPoP", "HOBA", "Mutual", "Negotiate", "NTLM", "OAuth", "PrivateToken", "SCRAM-SHA-256", "ApiKey"} {
		byLower[strings.ToLower(name)] = name
	}
	return byLower
}()

// quotedString matches one (RFC 9110 section 5.6.4).
var quotedString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)

// challenges lists the schemes that a 401 asks for, each once, as far as they are
// known: the rest of the header is anybody's text.
func challenges(header http.Header) []string {
	asks := map[string]bool{}
	for _, value := range header.Values("WWW-Authenticate") {
		for part := range strings.SplitSeq(quotedString.ReplaceAllString(value, `""`), ",") {
			words := strings.Fields(part)
			if len(words) == 0 || len(words) > 1 && strings.HasPrefix(words[1], "=") {
				continue // nothing, or a parameter
			}
			if name := schemes[strings.ToLower(words[0])]; name != "" {
				asks[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(asks))
}
