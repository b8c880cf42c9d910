package window

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// mask takes a credential's place. Its digits are those that the proxy logs as
// caller and credential, so that a token can be followed without being known.
func mask(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "••••" + hex.EncodeToString(sum[:4])
}

// credentialHeaders are the headers whose value is a credential.
var credentialHeaders = []struct {
	name   string
	scheme bool // stands in front of it (RFC 9110 section 11.4)
}{
	{"Authorization", true},
	{"Proxy-Authorization", true},
	{"Cookie", false},
	{"Set-Cookie", false},
	{"X-Functions-Key", false},
	{"X-Api-Key", false}, // of the profile api-key
}

// redactHeader returns a copy of the header without credentials, and the
// credentials that it had.
func redactHeader(header http.Header) (clean http.Header, secrets []string) {
	clean = header.Clone()
	if clean == nil {
		clean = http.Header{}
	}
	for _, h := range credentialHeaders {
		for i, value := range clean[h.name] {
			scheme, secret := "", value
			if end := strings.IndexAny(value, " \t"); h.scheme && end >= 0 {
				scheme, secret = value[:end]+" ", strings.TrimSpace(value[end:])
			}
			if secret == "" {
				continue
			}
			secrets = append(secrets, secret)
			if password, ok := passwordOf(scheme, secret); ok {
				secret = password // of which the proxy logs the digits
				secrets = append(secrets, secret)
			}
			clean[h.name][i] = scheme + mask(secret)
		}
	}
	return clean, secrets
}

// passwordOf returns the password in Basic credentials (RFC 7617 section 2),
// which a peer may complain about without the encoding.
func passwordOf(scheme, credentials string) (password string, ok bool) {
	if !strings.EqualFold(scheme, "Basic ") {
		return "", false
	}
	pair, err := base64.StdEncoding.DecodeString(credentials)
	_, password, ok = strings.Cut(string(pair), ":")
	return password, ok && err == nil
}

// credentialParameters are the parameters of a query whose value is a
// credential, in lower case: Azure's function key
// (https://learn.microsoft.com/azure/azure-functions/function-keys-how-to) and
// the token of RFC 6750 section 2.3.
var credentialParameters = []string{"code", "access_token"}

// redactTarget replaces the credentials in a query.
func redactTarget(target string) (clean string, secrets []string) {
	path, query, ok := strings.Cut(target, "?")
	if !ok {
		return target, nil
	}
	parameters := strings.Split(query, "&")
	for i, parameter := range parameters {
		name, value, _ := strings.Cut(parameter, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || value == "" || !slices.Contains(credentialParameters, strings.ToLower(plain)) {
			continue
		}
		parameters[i] = name + "=" + mask(value)
		secrets = append(secrets, value)
		if decoded, err := url.QueryUnescape(value); err == nil && decoded != value {
			secrets = append(secrets, decoded)
		}
	}
	return path + "?" + strings.Join(parameters, "&"), secrets
}

// shortest is the length below which a credential is not looked for in bodies:
// it would be found in words.
const shortest = 8

// scrub replaces secrets in a message, wherever a peer echoed them.
func (m *Message) scrub(secrets []string) {
	for _, secret := range secrets {
		if len(secret) < shortest {
			continue
		}
		if bytes.Contains(m.Body, []byte(secret)) {
			m.Body = bytes.ReplaceAll(m.Body, []byte(secret), []byte(mask(secret)))
		}
		m.StartLine = scrubText(m.StartLine, secret)
		m.Header = scrubHeader(m.Header, secret)
	}
}

// scrubHeader leaves the header alone, which others may be reading.
func scrubHeader(header http.Header, secret string) http.Header {
	var clean http.Header
	for name, values := range header {
		for i, value := range values {
			if !strings.Contains(value, secret) {
				continue
			}
			if clean == nil {
				clean = header.Clone()
			}
			clean[name][i] = scrubText(value, secret)
		}
	}
	if clean == nil {
		return header
	}
	return clean
}

// cut ends the body where it is no longer kept: after credentials were looked
// for, as one may be across that place.
func (m *Message) cut() {
	if len(m.Body) > bodyLimit {
		m.Body, m.Truncated = bytes.Clone(m.Body[:bodyLimit]), true
	}
}

// weight is the memory that a message takes, in bytes.
func (m *Message) weight() int {
	weight := len(m.StartLine) + len(m.Body)
	for name, values := range m.Header {
		weight += len(name)
		for _, value := range values {
			weight += len(value)
		}
	}
	return weight
}

func scrubText(text, secret string) string {
	if !strings.Contains(text, secret) {
		return text
	}
	return strings.ReplaceAll(text, secret, mask(secret))
}
