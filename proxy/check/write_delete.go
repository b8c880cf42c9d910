package check

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// searchPause is how long to wait before looking again for what a creation
// without an answer may have left.
const searchPause = 200 * time.Millisecond

// cleanUp deletes what the run has created, and looks whether it is gone.
func (c *check) cleanUp(ctx context.Context) Finding {
	user, group := &c.written.user, &c.written.group
	if !user.tried() && !group.tried() {
		return Finding{Status: Skip, Found: "nothing was created"}
	}
	worst := Finding{Status: Pass, Found: "nothing is left"}
	var details []string
	end, _ := ctx.Deadline()
	for i, t := range []*creation{group, user} {
		if !t.tried() {
			continue
		}
		// The user gets at least half of the time.
		share := time.Until(end) * time.Duration(i+1) / 2
		bounded, cancel := context.WithTimeout(ctx, share*9/10)
		finding := c.delete(bounded, t)
		cancel()
		if finding.Status == Fail || finding.Status == Warn {
			details = append(details, fmt.Sprintf("%s %q: %s", t.kind, t.called(), finding.Found))
		}
		if worse(worst, finding) > 0 {
			worst = finding
		}
	}
	worst.Details = details
	return worst
}

// severity orders the statuses.
var severity = map[Status]int{Skip: 0, Pass: 1, Warn: 2, Fail: 3}

// tried reports whether a creation was sent.
func (t *creation) tried() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent
}

// left is the finding for what stays behind.
func (t *creation) left(status Status, found string) Finding {
	return Finding{Status: status, Found: found, Remedy: "delete by hand the " + t.kind + " that the details name"}
}

// delete deletes all that a creation has led to.
func (c *check) delete(ctx context.Context, t *creation) Finding {
	ids, complete := c.traces(ctx, t)
	worst := Finding{Status: Pass}
	for _, id := range ids {
		if finding := c.deleteOne(ctx, t, t.collection+"/"+url.PathEscape(id)); worse(worst, finding) > 0 {
			worst = finding
		}
	}
	if !complete && worst.Status == Pass {
		worst = t.left(Warn, "a creation got no usable answer, and what it may have created cannot be found")
	}
	return worst
}

// traces returns the ids of what the creations have led to; complete tells that
// there is no doubt about them.
func (c *check) traces(ctx context.Context, t *creation) (ids []string, complete bool) {
	t.mu.Lock()
	id, unsure := t.id, t.unsure
	t.mu.Unlock()
	if id != "" {
		ids = append(ids, id)
	}
	if !unsure {
		return ids, true
	}
	// The backend may still be at it; a third of the time is left to delete.
	end, _ := ctx.Deadline()
	for stop := time.Now().Add(time.Until(end) * 2 / 3); time.Now().Before(stop); {
		got, _, ok := c.call(ctx, http.MethodGet, t.named(), nil)
		if found := t.among(readResources(got.body)); ok && len(found) > 0 {
			return append(ids, slices.DeleteFunc(found, func(other string) bool { return other == id })...), true
		}
		select {
		case <-time.After(searchPause):
		case <-ctx.Done():
		}
	}
	return ids, false
}

// deleteOne deletes one resource, and looks whether it is gone.
func (c *check) deleteOne(ctx context.Context, t *creation, target string) Finding {
	var bad Finding
	for range 2 { // to delete twice does no harm
		o := c.send(ctx, way{direct: true}, http.MethodDelete, target, nil)
		if bad = o.bad; !o.lost {
			break
		}
	}
	got, _, ok := c.call(ctx, http.MethodGet, target, nil)
	switch gone := got.status == http.StatusNotFound || got.status == http.StatusGone; {
	case ok && gone:
		return Finding{Status: Pass}
	case bad.Status != "":
		found := t.left(Fail, "the "+t.kind+" cannot be deleted: "+bad.Found)
		found.Class, found.Cause = bad.Class, bad.Cause
		return found
	case !ok || got.status != http.StatusOK:
		return t.left(Warn, "the backend says that the "+t.kind+" is deleted, which could not be verified")
	case t.kind == "user" && strings.EqualFold(scalar(decoded(got.body), "active"), "false"):
		return t.left(Warn, "the backend disables a user instead of deleting it")
	}
	return t.left(Fail, "answered with success, and the "+t.kind+" is still there")
}

// named is the path of the resources with the creation's name, with the query
// with which Entra asks for it.
func (t *creation) named() string {
	query := equals(t.unique, t.called())
	if t.kind == "group" {
		query = "excludedAttributes=members&" + query
	}
	return t.collection + "?" + query
}

// among returns the ids of those in a list that have the creation's name: a
// backend may not heed the filter.
func (t *creation) among(list []message) (ids []string) {
	for _, resource := range list {
		if resource.id() != "" && strings.EqualFold(resource.text(t.unique), t.called()) {
			ids = append(ids, resource.id())
		}
	}
	return ids
}
