package backend

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// AddAccount stores a user whom SCIM does not know yet, as a first sign-in
// makes one, and returns the id. GET, PATCH, PUT and DELETE answer 404 and
// filters do not find the account until [AdoptByEmail] or [AdoptByName] links it; the view of
// [Backend.Strict] shows it. The resource and the errors are those of
// [Backend.AddUser].
func (b *Backend) AddAccount(resource map[string]any) (id string, err error) {
	if id, err = b.AddUser(resource); err != nil {
		return "", err
	}
	b.memory.mu.Lock()
	defer b.memory.mu.Unlock()
	b.memory.hidden[id] = maps.Clone(resource)
	return id, nil
}

// addresses returns the e-mail addresses of a user, folded.
func addresses(user map[string]any) []string {
	var list []string
	emails, _, _ := messageMember(user, "emails")
	for _, element := range listOf(emails) {
		value, _, _ := messageMember(objectOf(element), "value")
		list = append(list, fold(textOf(value)))
	}
	return list
}

// userNames returns the one userName of a user, folded.
func userNames(user map[string]any) []string {
	name, _, _ := messageMember(user, "userName")
	return []string{fold(textOf(name))}
}

// account returns the hidden one that shares a key with user; empty for none.
func (m *memory) account(user map[string]any, keys func(map[string]any) []string) string {
	wanted := keys(user)
	for _, id := range slices.Sorted(maps.Keys(m.hidden)) {
		if slices.ContainsFunc(keys(m.hidden[id]), func(key string) bool { return key != "" && slices.Contains(wanted, key) }) {
			return id
		}
	}
	return ""
}

// adopt is AdoptByEmail or AdoptByName.
func adopt(keys func(map[string]any) []string) func(*Backend, call, serving) (answer, error) {
	return func(b *Backend, c call, next serving) (answer, error) {
		// Of two POSTs at a time, one links and the other finds the name taken.
		b.memory.mu.Lock()
		id := b.memory.account(c.body, keys)
		account := b.memory.hidden[id]
		delete(b.memory.hidden, id)
		b.memory.mu.Unlock()
		if id == "" {
			return next(b, c)
		}
		c.id = id
		got, err := b.replace(c)
		if err != nil {
			b.memory.mu.Lock()
			b.memory.hidden[id] = account
			b.memory.mu.Unlock()
			return answer{}, err
		}
		c.w.Header().Set("Location", b.store.locate(c.kind, id))
		got.status = http.StatusCreated
		return got, nil
	}
}

// refuseEmail is ConflictByEmail.
func refuseEmail(b *Backend, c call, next serving) (answer, error) {
	b.memory.mu.Lock()
	id := b.memory.account(c.body, addresses)
	b.memory.mu.Unlock()
	if id != "" {
		return answer{}, &scimError{status: http.StatusConflict, scimType: uniqueness, detail: "an account has the e-mail address"}
	}
	return next(b, c)
}

// hiding keeps accounts out of sight.
var hiding = habit{
	"GET /Users":         hideAccounts,
	"GET /Users/{id}":    hideAccount,
	"PUT /Users/{id}":    hideAccount,
	"PATCH /Users/{id}":  hideAccount,
	"DELETE /Users/{id}": hideAccount,
}

// hideAccount answers as if there were none.
func hideAccount(b *Backend, c call, next serving) (answer, error) {
	b.memory.mu.Lock()
	_, hidden := b.memory.hidden[c.id]
	b.memory.mu.Unlock()
	if hidden {
		return answer{}, &scimError{status: http.StatusNotFound, detail: fmt.Sprintf("there is no %s %q", c.kind.name, c.id)}
	}
	return next(b, c)
}

// hideAccounts leaves accounts out of a list by its filter, so that totals and
// pages are right.
func hideAccounts(b *Backend, c call, next serving) (answer, error) {
	b.memory.mu.Lock()
	ids := slices.Sorted(maps.Keys(b.memory.hidden))
	b.memory.mu.Unlock()
	if len(ids) == 0 {
		return next(b, c)
	}
	filter := `not (id eq "` + strings.Join(ids, `" or id eq "`) + `")`
	if c.query.Has("filter") {
		if _, err := parseFilter(c.query.Get("filter")); err != nil {
			return answer{}, err
		}
		filter = "(" + c.query.Get("filter") + ") and " + filter
	}
	c.query = maps.Clone(c.query)
	c.query.Set("filter", filter)
	return next(b, c)
}

// refuseEmailFilter is NoEmailFilter.
func refuseEmailFilter(b *Backend, c call, next serving) (answer, error) {
	// What does not parse is refused by list.
	if e, err := parseFilter(c.query.Get("filter")); err == nil && mentions(e, "emails") {
		return answer{}, refuse(invalidFilter, "emails cannot be filtered by")
	}
	return next(b, c)
}

// mentions reports whether a filter compares an attribute.
func mentions(e expression, name string) bool {
	switch e := e.(type) {
	case logical:
		return mentions(e.left, name) || mentions(e.right, name)
	case negation:
		return mentions(e.inner, name)
	case comparison:
		return sameName(e.attr.name, name)
	case selection:
		return sameName(e.attr.name, name)
	}
	return false
}

// disable is DisableOnDelete.
func disable(b *Backend, c call, _ serving) (answer, error) {
	c.query = nil
	c.body = patchMessage(map[string]any{"op": "replace", "path": "active", "value": false})
	_, err := b.patch(c)
	return answer{status: http.StatusNoContent}, err
}

// patchMessage is the message of a PATCH with one operation.
func patchMessage(operation map[string]any) map[string]any {
	return map[string]any{"schemas": []any{patchOpURN}, "Operations": []any{operation}}
}

// reserve is ReserveNames for DELETE.
func reserve(b *Backend, c call, next serving) (answer, error) {
	user, err := b.resource(c.kind, c.id, "userName")
	if err != nil {
		return answer{}, err
	}
	got, err := next(b, c)
	if err == nil {
		b.memory.mu.Lock()
		defer b.memory.mu.Unlock()
		b.memory.reserved[fold(textOf(user["userName"]))] = true
	}
	return got, err
}

// refuseReserved is ReserveNames for what sets a userName.
func refuseReserved(b *Backend, c call, next serving) (answer, error) {
	for _, t := range c.touches() {
		b.memory.mu.Lock()
		taken := t.path == "userName" && b.memory.reserved[fold(textOf(t.value))]
		b.memory.mu.Unlock()
		if taken {
			return answer{}, &scimError{status: http.StatusConflict, scimType: uniqueness, detail: "the userName is taken"}
		}
	}
	return next(b, c)
}

// resource returns what a GET of a resource shows, or of the attributes given
// only, or a 404.
func (b *Backend) resource(kind *resourceType, id string, attributes ...string) (map[string]any, error) {
	query := url.Values{"attributes": {strings.Join(attributes, ",")}}
	got, err := b.get(call{kind: kind, id: id, query: query})
	return objectOf(got.body), err
}
