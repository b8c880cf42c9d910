package check

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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
	worst := Finding{Status: Pass}
	remove := func(id string) {
		if finding := c.deleteOne(ctx, t, t.collection+"/"+url.PathEscape(id)); worse(worst, finding) > 0 {
			worst = finding
		}
	}
	id := t.known()
	if id != "" {
		remove(id)
	}
	others, complete := c.traces(ctx, t)
	for _, other := range others {
		if other != id {
			remove(other)
		}
	}
	if !complete && worst.Status == Pass {
		worst = t.left(Warn, "a creation got no usable answer, and what it may have created cannot be found")
	}
	return worst
}

// traces returns the ids of what the creations may have led to beside what is
// known; complete tells that there is no doubt about them.
func (c *check) traces(ctx context.Context, t *creation) (ids []string, complete bool) {
	t.mu.Lock()
	known, unsure := t.id != "", t.unsure
	t.mu.Unlock()
	if known && !unsure {
		return nil, true
	}
	// The backend may still be at it; a third of the time is left to delete.
	end, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(end)*2/3)
	defer cancel()
	for {
		got, _, ok := c.get(ctx, t.named())
		ids = t.among(readResources(got.body))
		switch {
		case len(ids) > 0, ok && got.isPlain() && known, !unsure:
			return ids, true // of what was refused nothing should be there
		case ctx.Err() != nil:
			return nil, false
		}
		select {
		case <-time.After(searchPause):
		case <-ctx.Done():
		}
	}
}

// deleteOne deletes one resource, and looks whether it is gone.
func (c *check) deleteOne(ctx context.Context, t *creation, target string) Finding {
	var o outcome
	lost := false
	for _, w := range c.ladder() {
		for range 2 { // to delete twice does no harm
			if o = c.send(ctx, w, http.MethodDelete, target, nil); !o.lost {
				break
			}
			lost = true
		}
		if o.bad.Status == "" || o.final {
			break
		}
	}
	got, ok := c.vanished(ctx, target)
	switch bad := o.bad; {
	case ok && got.isGone() && o.isGone() && !lost:
		return t.left(Warn, "the backend does not show the "+t.kind+" any more, and may keep it disabled")
	case ok && got.isGone():
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

// vanished reads what was deleted until it is gone, or no longer than a change may
// take to show.
func (c *check) vanished(ctx context.Context, target string) (got answer, ok bool) {
	for stop := time.Now().Add(lag); ; {
		got, _, ok = c.get(ctx, target)
		if ok && got.isGone() || !time.Now().Before(stop) || ctx.Err() != nil {
			return got, ok
		}
		select {
		case <-time.After(lag / 8):
		case <-ctx.Done():
		}
	}
}

// named is the path of the resources with the creation's name, with the query
// with which Entra asks for it.
func (t *creation) named() string {
	query := equals(t.unique, t.original)
	if t.kind == "group" {
		query = "excludedAttributes=members&" + query
	}
	return t.collection + "?" + query
}

// among returns the ids of those in a list that have the creation's name: a
// backend may not heed the filter.
func (t *creation) among(list []message) (ids []string) {
	for _, resource := range list {
		if resource.id() != "" && strings.EqualFold(resource.text(t.unique), t.original) {
			ids = append(ids, resource.id())
		}
	}
	return ids
}
