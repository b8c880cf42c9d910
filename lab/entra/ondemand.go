package entra

import (
	"context"
	"fmt"

	"example.com/entra-scim-proxy/lab/directory"
)

// onDemandMembers is how many members of a group are provisioned on demand.
// https://learn.microsoft.com/entra/identity/app-provisioning/provision-on-demand
const onDemandMembers = 5

// Provision provisions one user, with the manager, or one group, with up to
// five members that it does not have yet, on demand: the probe, and then what a
// cycle would do for it. It speaks the default dialect whatever the tenant URL
// says, because a flag there does not count on demand. A user who is disabled or
// in the recycle bin is not to be found, which is an error that wraps
// directory.ErrNotFound; one who was unassigned is disabled at the endpoint.
// Other errors are those of the probe, and the context's. The watermark of the
// cycles stays where it is.
// https://learn.microsoft.com/entra/identity/app-provisioning/provision-on-demand
func (j *Job) Provision(ctx context.Context, objectID string) (Report, error) {
	release, err := j.take(ctx)
	if err != nil {
		return Report{}, err
	}
	defer release()
	u, isUser := j.options.Directory.User(objectID)
	g, isGroup := j.options.Directory.Group(objectID)
	if !(isUser && u.Active()) && !(isGroup && !j.options.UsersOnly) {
		return Report{}, fmt.Errorf("entra: provision %q on demand: %w", objectID, directory.ErrNotFound)
	}
	r := j.round(dialects()[0])
	r.onDemand = true
	if j.options.OnDemandByExternalID {
		r.matching = []int{j.mapping.user("externalId")}
	}
	if err := r.probe(ctx); err != nil {
		return r.record.report(), err
	}
	if isUser {
		r.provisionUser(ctx, u)
	} else {
		r.provisionGroup(ctx, g)
	}
	if err := ctx.Err(); err != nil {
		return r.record.report(), fmt.Errorf("entra: provisioning on demand was interrupted: %w", err)
	}
	return r.record.report(), nil
}

func (r *round) provisionUser(ctx context.Context, u directory.User) {
	l := r.wishUser(u)
	if l == nil {
		return
	}
	r.settle(ctx, r.userFamily(), l)
	if m := r.managerOf(l); r.mapping.manager && m != nil && m.id != l.managerID {
		r.setManager(ctx, report{l, m})
	}
}

func (r *round) provisionGroup(ctx context.Context, g directory.Group) {
	l := r.wishGroup(g)
	if l == nil {
		r.record.count(func(report *Report) { report.Groups.Skipped++ })
		return
	}
	f := r.groupFamily()
	r.settle(ctx, f, l)
	m := r.memberships(g.ObjectID)
	if m.adds = m.adds[:min(len(m.adds), onDemandMembers)]; len(m.adds) > 0 {
		r.addMembers(ctx, f, l, m.adds)
	}
}
