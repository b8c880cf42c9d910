package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// attribute is one that shapes change.
type attribute struct {
	path string
	// read returns its value in a resource; "" if it has none.
	read func(resource message) string
	// fresh makes a new value of a number and the user's name; nil takes any text.
	fresh func(n int, name string) string
}

// The attributes, those of Entra's default mapping.
var (
	title       = attribute{path: "title", read: under("title")}
	givenName   = attribute{path: "name.givenName", read: under("name", "givenName")}
	department  = attribute{path: enterpriseSchema + ":department", read: under(enterpriseSchema, "department")}
	active      = attribute{path: "active", read: under("active")}
	manager     = attribute{path: enterpriseSchema + ":manager", read: readManager}
	workEmail   = attribute{path: `emails[type eq "work"].value`, read: element("emails", "work"), fresh: address}
	workPhone   = attribute{path: `phoneNumbers[type eq "work"].value`, read: element("phoneNumbers", "work"), fresh: number}
	mobilePhone = attribute{path: `phoneNumbers[type eq "mobile"].value`, read: element("phoneNumbers", "mobile"), fresh: number}
	faxNumber   = attribute{path: `phoneNumbers[type eq "fax"].value`, read: element("phoneNumbers", "fax"), fresh: number}
	userTitle   = attribute{path: "displayName", read: under("displayName"), fresh: func(n int, _ string) string { return fmt.Sprintf("%s %d", throwAway, n) }}
)

func address(n int, name string) string { return fmt.Sprintf("check-%d.%s", n, name) }
func number(n int, _ string) string     { return fmt.Sprintf("+1 555 %04d", 100+n) }

// another is a value that the attribute has not had yet.
func (a attribute) another(t *creation) string {
	if a.fresh == nil {
		return fmt.Sprintf("Check %d", t.next())
	}
	return a.fresh(t.next(), t.called())
}

// under reads what lies under names, one within the other.
func under(names ...string) func(message) string {
	return func(resource message) string { return scalar(resource, names...) }
}

// element reads the value of a multi-valued attribute's element of a type.
func element(name, kind string) func(message) string {
	return func(resource message) string {
		for _, object := range resource.objects(name) {
			if strings.EqualFold(object.text("type"), kind) {
				return object.text("value")
			}
		}
		return ""
	}
}

// readManager reads a manager's id, also where the manager is a string.
func readManager(resource message) string {
	if id := scalar(resource, enterpriseSchema, "manager"); id != "" {
		return id
	}
	return scalar(resource, enterpriseSchema, "manager", "value")
}

// scalar returns the string, number or boolean under names, one within the other;
// "" for anything else.
func scalar(m message, names ...string) string {
	last := len(names) - 1
	for _, name := range names[:last] {
		m = m.object(name)
	}
	switch value := m.get(names[last]).(type) {
	case string:
		return value
	case bool, json.Number:
		return fmt.Sprint(value)
	}
	return ""
}

// decoded is an answer's JSON object; empty if it is none.
func decoded(body []byte) message {
	m, _ := readMessage(body)
	return m
}

// alike compares values as a backend may keep them: it may fold case, or write
// telephone numbers its own way.
func alike(a, b string) bool { return strings.EqualFold(bare.Replace(a), bare.Replace(b)) }

var bare = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "")

// target is the path of the resource below BACKEND_URL.
func (t *creation) target() string { return t.collection + "/" + url.PathEscape(t.known()) }

// look returns the resource as last read, and reads it if that is not known.
func (c *check) look(ctx context.Context, t *creation) (message, Finding) {
	t.mu.Lock()
	now := t.now
	t.mu.Unlock()
	if now != nil {
		return now, Finding{}
	}
	return c.read(ctx, t)
}

// read gets the resource as it is. The finding says why it could not; it is zero
// otherwise.
func (c *check) read(ctx context.Context, t *creation) (message, Finding) {
	t.forget()
	got, bad, ok := c.get(ctx, t.target())
	if !ok {
		return nil, bad
	}
	now := decoded(got.body)
	if got.status != http.StatusOK || now == nil {
		bad = Finding{Status: Fail, Found: fmt.Sprintf("the %s cannot be read back, status %d", t.kind, got.status),
			Remedy: "have the backend answer a GET by id with the resource, disabled or not"}
		return nil, bad
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = now
	return now, Finding{}
}

// lag is how long to wait for a change to show: some backends answer from a copy,
// which Entra, who reads much later, does not notice. Who has let us wait in vain
// some times is not waited for any more.
const (
	lag     = 400 * time.Millisecond
	maxVain = 3
)

// settled reads the resource until it is as it should be, or has had the time.
func (c *check) settled(ctx context.Context, t *creation, should func(message) bool) (message, Finding) {
	for stop := time.Now().Add(lag); ; {
		now, bad := c.read(ctx, t)
		if bad.Status != "" || should(now) {
			return now, bad
		}
		if !time.Now().Before(stop) || ctx.Err() != nil || t.vain.Load() >= maxVain {
			t.vain.Add(1)
			return now, bad
		}
		select {
		case <-time.After(lag / 8):
		case <-ctx.Done():
		}
	}
}

// forget notes that the resource may have changed.
func (t *creation) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = nil
}
