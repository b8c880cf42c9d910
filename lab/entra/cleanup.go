package entra

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// Leftover is a resource that could not be deleted.
type Leftover struct {
	// Kind is "user" or "group", and Name the userPrincipalName or displayName.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// ID is the endpoint's; empty for one of which only the POST is known, and
	// not the answer.
	ID string `json:"id,omitempty"`
	// Reason is why it is still there, on one line.
	Reason string `json:"reason"`
}

// CleanUp deletes what this job created at the endpoint, groups first, in all
// its cycles and before any restart, and nothing else: what was there and was
// matched stays. A POST whose answer was lost is looked for. It returns how many
// resources it deleted, and what is left; the error is the context's. The job
// knows of no links afterwards, and the next cycle is an initial one. After an
// interruption another call goes on.
func (j *Job) CleanUp(ctx context.Context) (deleted int, left []Leftover, err error) {
	release, err := j.take(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer release()
	r := j.round(j.client.tenant.dialect)
	reasons := map[string]string{}
	deleted = r.undoAll(ctx, reasons)
	// Last, so that what is still under way to the endpoint gets there.
	left = append(r.findLost(ctx, r.groupFamily(), j.groups), r.findLost(ctx, r.userFamily(), j.users)...)
	deleted += r.undoAll(ctx, reasons)
	for _, kind := range []string{"group", "user"} {
		for _, id := range j.madeOf(kind) {
			left = append(left, Leftover{kind, j.made[id].name, id, cmp.Or(reasons[id], "there was no time for it")})
		}
	}
	j.restart()
	for _, links := range []map[string]*link{j.users, j.groups} {
		maps.DeleteFunc(links, func(_ string, l *link) bool { return !l.posted })
	}
	if err := ctx.Err(); err != nil {
		return deleted, left, fmt.Errorf("entra: the clean-up was interrupted: %w", err)
	}
	return deleted, left, nil
}

// findLost looks for what was posted without an answer, so that it counts as
// created. It returns what could not be looked for.
func (r *round) findLost(ctx context.Context, f *family, links map[string]*link) []Leftover {
	var left []Leftover
	for _, id := range slices.Sorted(maps.Keys(links)) {
		l := links[id]
		if !l.posted || l.id != "" {
			continue
		}
		row := f.matching[0]
		if _, err := r.lookUp(ctx, f, l, f.attributes[row], l.wish.values[row]); err != nil {
			left = append(left, Leftover{Kind: f.name, Name: l.name, Reason: oneLine(err)})
		}
	}
	return left
}

// madeOf are the ids of what the job created, of one kind, sorted by name.
func (j *Job) madeOf(kind string) []string {
	ids := slices.Collect(maps.Keys(j.made))
	ids = slices.DeleteFunc(ids, func(id string) bool { return j.made[id].family.name != kind })
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(j.made[a].name, j.made[b].name), cmp.Compare(a, b))
	})
	return ids
}

// undoAll deletes what the job created and no reason is known not to, groups
// first, and adds the reasons of those that it could not delete. It returns how
// many it deleted.
func (r *round) undoAll(ctx context.Context, reasons map[string]string) (deleted int) {
	for _, kind := range []string{"group", "user"} {
		ids := slices.DeleteFunc(r.madeOf(kind), func(id string) bool { return reasons[id] != "" })
		each(ctx, r.options.Parallel, ids, func(id string) {
			err := r.undo(ctx, id)
			r.mu.Lock()
			defer r.mu.Unlock()
			if err != nil {
				reasons[id] = oneLine(err)
			} else {
				deleted++
			}
		})
	}
	return deleted
}

// undo deletes one resource.
func (r *round) undo(ctx context.Context, id string) error {
	r.mu.Lock()
	made := r.made[id]
	r.mu.Unlock()
	_, err := r.do(ctx, outgoing{
		step: "clean up " + made.family.name, object: made.name,
		method: http.MethodDelete, path: resource(made.family, id), manner: deleteManner,
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.made, id)
	return nil
}
