package vault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	resource = "https://vault.azure.net"
	// challenge is what Key Vault answers to a call without a token.
	// https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
	challenge = `Bearer authorization="https://login.microsoftonline.com/8adf8e6e-67b2-4cf2-a259-e3dc5476c621", resource="` + resource + `"`
	// page is the most versions that one answer lists, and what maxresults may
	// not exceed.
	// https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret-versions/get-secret-versions
	page = 25
)

// reply is one answer of the vault.
type reply struct {
	status    int
	challenge bool
	body      map[string]any
}

// ServeHTTP is the vault, to be served over TLS under a name of
// vault.azure.net: the SDK compares it with the challenge's.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	down, delay := v.down, v.delay
	var got reply
	if !down {
		got = v.reply(r)
	}
	v.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
	}
	if got.challenge {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	write(w, got.status, got.body)
}

// reply decides what to answer. The lock must be held.
func (v *Vault) reply(r *http.Request) reply {
	authorization := r.Header.Get("Authorization")
	switch {
	case authorization == "":
		unauthorized := refuse(http.StatusUnauthorized, "Unauthorized", "the call has no token")
		unauthorized.challenge = true
		return unauthorized
	case v.token == "" || authorization != "Bearer "+v.token:
		return refuse(http.StatusForbidden, "Forbidden", "the token is not one of the identity endpoint's")
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/secrets/")
	name, id, _ := strings.Cut(path, "/")
	switch {
	case !ok || name == "" || strings.Contains(id, "/"):
		return refuse(http.StatusNotFound, "NotFound", "the double knows /secrets/NAME/, .../VERSION and .../versions")
	case r.Method != http.MethodGet:
		return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "the double knows GET")
	case r.URL.Query().Get("api-version") == "":
		return refuse(http.StatusBadRequest, "BadParameter", "api-version must be specified")
	case id == "versions":
		return v.list(r, name)
	}
	return v.read(r.Host, name, id)
}

// read answers with a value, and says which version it is.
func (v *Vault) read(host, name, id string) reply {
	full := name
	if id != "" {
		full += "/" + id
	}
	if v.reads == nil {
		v.reads = map[string]int{}
	}
	v.reads[full]++
	found := v.find(name, id)
	switch {
	case v.refusal.Status != 0:
		return v.refusal.reply()
	case found == nil:
		return refuse(http.StatusNotFound, "SecretNotFound", fmt.Sprintf("A secret with (name/id) %s was not found in this key vault.", full))
	case found.Disabled:
		return Refusal{http.StatusForbidden, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret."}.reply()
	}
	body := found.properties(host, name)
	body["value"] = found.Value
	return reply{status: http.StatusOK, body: body}
}

// list answers with one page of the versions of a secret. Key Vault promises
// no order; this one is that of the ids, so that it is not that of time. A
// secret that is not there has no versions, and is no error (the .NET SDK's
// live test GetSecretVersionsNonExisting).
func (v *Vault) list(r *http.Request, name string) reply {
	v.lists++
	query := r.URL.Query()
	most := page
	if text := query.Get("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > page {
			return refuse(http.StatusBadRequest, "BadParameter", "maxresults must be from 1 to 25")
		}
		most = n
	}
	switch {
	case v.refusal.Status != 0:
		return v.refusal.reply()
	case v.noListing.Status != 0:
		return v.noListing.reply()
	}
	left := slices.DeleteFunc(slices.Clone(v.secrets[name]), func(v *version) bool { return v.id <= query.Get("$skiptoken") })
	slices.SortFunc(left, func(a, b *version) int { return strings.Compare(a.id, b.id) })
	items := []map[string]any{}
	for _, v := range left[:min(most, len(left))] {
		items = append(items, v.properties(r.Host, name))
	}
	var next any // null on the last page
	if len(left) > most {
		next = fmt.Sprintf("https://%s%s?api-version=%s&$skiptoken=%s&maxresults=%d",
			r.Host, r.URL.EscapedPath(), url.QueryEscape(query.Get("api-version")), left[most-1].id, most)
	}
	return reply{status: http.StatusOK, body: map[string]any{"value": items, "nextLink": next}}
}

// properties are a version without its value.
func (v *version) properties(host, name string) map[string]any {
	attributes := map[string]any{"enabled": !v.Disabled, "recoveryLevel": "Recoverable+Purgeable"}
	for attribute, at := range map[string]time.Time{"created": v.Created, "updated": v.updated, "nbf": v.NotBefore, "exp": v.Expires} {
		if !at.IsZero() {
			attributes[attribute] = at.Unix()
		}
	}
	properties := map[string]any{"id": "https://" + host + "/secrets/" + name + "/" + v.id, "attributes": attributes}
	if v.ContentType != "" {
		properties["contentType"] = v.ContentType
	}
	return properties
}

func refuse(status int, code, message string) reply {
	return Refusal{Status: status, Code: code, Message: message}.reply()
}

func (r Refusal) reply() reply {
	detail := map[string]any{"code": r.Code, "message": r.Message}
	if r.Inner != "" {
		detail["innererror"] = map[string]any{"code": r.Inner}
	}
	return reply{status: r.Status, body: map[string]any{"error": detail}}
}

func write(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// A failed write means that the caller has left.
	_ = json.NewEncoder(w).Encode(body)
}
