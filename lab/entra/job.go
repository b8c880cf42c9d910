package entra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/google/uuid"

	"example.com/entra-scim-proxy/lab/directory"
)

const (
	// defaultParallel is a guess: there is a limit, and nobody published it.
	defaultParallel = 8
	// idleConnections is how many a Client keeps open at most, so that a job
	// need not connect anew for each call.
	idleConnections = 64
)

// JobOptions configures a Job. Directory is required; the zero values of all
// else are what a new application has.
type JobOptions struct {
	// Directory is where the people come from. It may change at any time.
	Directory *directory.Directory
	// Seed chooses the GUIDs of the probes.
	Seed uint64
	// Matching are the attributes of users to match by, in their order, spelled
	// as in a filter (`emails[type eq "work"].value`); empty means userName.
	// Groups are matched by displayName.
	Matching []string
	// UsersOnly takes the mapping of groups away: /Groups is not called. Those
	// who are in scope through a group are so all the same.
	UsersOnly bool
	// Unmapped are attributes of users that are taken out of the default
	// mapping, spelled as in Matching; active and the enterprise manager may be
	// among them, userName may not. Without active, DELETE takes the place of
	// disabling.
	Unmapped []string
	// ExternalIDFromObjectID maps a user's objectId to externalId, which vendors
	// ask for, instead of mailNickname.
	ExternalIDFromObjectID bool
	// SkipOutOfScopeDeletions leaves those alone who leave the scope.
	// https://learn.microsoft.com/entra/identity/app-provisioning/skip-out-of-scope-deletions
	SkipOutOfScopeDeletions bool
	// Parallel is how many calls are made at once, at most 64; zero means 8.
	Parallel int
	// Observe gets each call as it ends, one at a time; nil means nobody wants
	// them. It must not call the job.
	Observe func(Call)
	// Reported gets the outcome of each cycle of Run; nil means nobody wants
	// them.
	Reported func(Report, error)

	Unverified
}

// Unverified are ways of the provisioning service of which it is not certain
// whether, or how, it has them today. Their zero values are what is most likely.
type Unverified struct {
	// RefCheck asks whether a group has a member, or a user a manager, before it
	// writes. UNVERIFIED: the documentation describes it, and Microsoft's
	// library answers it; whether jobs of today ask is not known.
	RefCheck bool
	// IgnoreLeaks goes on adding members to groups that showed theirs although
	// they were excluded. UNVERIFIED: captures show that Entra replaces them
	// then (github.com/grokability/snipe-it#19096); why, is a guess of
	// github.com/Infisical/infisical#6525.
	IgnoreLeaks bool
	// RecreateNextCycle waits for the next cycle to look for a resource whose id
	// was answered with 404. UNVERIFIED: that it is looked for is generally
	// assumed; when, is not known.
	RecreateNextCycle bool
	// MembersPerPatch is how many members share one operation; zero means one,
	// as in most captures. UNVERIFIED: nothing documents batches.
	MembersPerPatch int
	// HonourRetryAfter repeats a call that was answered 429, once and after the
	// seconds that Retry-After asks for. UNVERIFIED: sources contradict each other
	// (https://learn.microsoft.com/answers/questions/2284725).
	HonourRetryAfter bool
	// BackOff doubles the number of cycles after which an object that failed is
	// tried again, each time it fails; otherwise every cycle tries. UNVERIFIED:
	// it is documented that retries become rarer, not how fast.
	BackOff bool
	// RepeatMembers adds every member once more, in the cycle after the one in
	// which it was added. UNVERIFIED: that it happens is known
	// (https://learn.microsoft.com/answers/questions/471809), when is not.
	RepeatMembers bool
	// PrefixDeleted renames users who are moved to the recycle bin, along with
	// disabling them: Entra puts the object id in front of their user principal
	// name. UNVERIFIED: reported by users
	// (https://learn.microsoft.com/answers/questions/129068).
	PrefixDeleted bool
	// PeriodicActive patches active of every user who is well, in every
	// incremental cycle. UNVERIFIED: reported once (github.com/getsentry/sentry-docs#16258).
	PeriodicActive bool
	// CreateActiveAsText sends active as a string when it creates users.
	// UNVERIFIED: github.com/AzureAD/SCIMReferenceCode#21 says so, no capture
	// shows it.
	CreateActiveAsText bool
	// OnDemandByExternalID matches by externalId on demand. UNVERIFIED: seen
	// once, in 2026 (github.com/OctopusDeploy/Issues#9841).
	OnDemandByExternalID bool
}

// Job is a provisioning job: the service that carries a directory to an
// endpoint, in cycles. Its methods may be called at any time; those that make
// calls wait for each other. Its zero value is not usable: NewJob makes one.
type Job struct {
	client  *Client
	options JobOptions
	mapping *mapping
	policy  policy
	guids   *rand.ChaCha8
	// turn is taken by who makes calls, and guards what follows.
	turn          chan struct{}
	mark          directory.Watermark
	cycles        int  // since the last restart
	initial       bool // the next cycle is an initial one
	users, groups map[string]*link

	mu sync.Mutex // guards what follows
	// made and deleted are resources by their id at the endpoint.
	made, deleted map[string]creation
	quarantine    *Quarantine
}

// link is what a job knows about one object of the directory.
type link struct {
	objectID string
	// name is the userPrincipalName or displayName, for people.
	name string
	// id is the one at the endpoint; empty means that the two are not linked.
	id   string
	wish wish
	// written are the values that the endpoint took last.
	written []string
	// object and references say when to try again what failed.
	object, references pause
	// posted says that a POST was sent whose outcome is not known.
	posted bool
	// managerID is the manager that the endpoint took last, as its id there.
	managerID string
	// members are those of a group that the endpoint took, by the object id of
	// the user, as the id there; empty for one that was removed.
	members map[string]string
	// again are members, by the object id of the user, to be added once more.
	again map[string]bool
	// leaked says that the group's last answer showed members although they were
	// excluded.
	leaked bool
	// read is the number of the cycle in which the group was read last.
	read int
}

// creation is a resource that a job created, or deleted, at the endpoint.
type creation struct {
	family *family
	name   string
}

// pause is the time until something that failed is tried again, in cycles.
type pause struct {
	failures, until int
}

// fail notes a failure in a cycle.
func (p *pause) fail(cycle int, backOff bool) {
	p.failures++
	p.until = cycle + 1
	if backOff {
		p.until = cycle + 1<<min(p.failures-1, 10)
	}
}

// due reports whether something failed and is to be tried again.
func (p *pause) due(cycle int) bool { return p.failures > 0 && p.until <= cycle }

// waiting reports whether it is too early to try again.
func (p *pause) waiting(cycle int) bool { return p.failures > 0 && p.until > cycle }

// NewJob checks the options and returns a job that has not begun. It sends
// nothing. The error says which option is not usable.
func NewJob(client *Client, options JobOptions) (*Job, error) {
	if client == nil || options.Directory == nil {
		return nil, errors.New("entra: a job needs a client and a directory")
	}
	if options.Parallel < 0 || options.Parallel > idleConnections {
		return nil, fmt.Errorf("entra: Parallel is %d, want 0 to %d", options.Parallel, idleConnections)
	}
	if options.MembersPerPatch < 0 {
		return nil, fmt.Errorf("entra: MembersPerPatch is %d", options.MembersPerPatch)
	}
	mapping, err := newMapping(options)
	if err != nil {
		return nil, err
	}
	if options.OnDemandByExternalID && mapping.user("externalId") < 0 {
		return nil, errors.New("entra: externalId cannot be matched by on demand: it is not mapped")
	}
	options.Parallel = cmp.Or(options.Parallel, defaultParallel)
	options.MembersPerPatch = cmp.Or(options.MembersPerPatch, 1)
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%016x", options.Seed))
	j := &Job{
		client: client, options: options, mapping: mapping,
		policy: policy{
			skipOut: options.SkipOutOfScopeDeletions, deletes: !mapping.active, prefixes: options.PrefixDeleted,
		},
		guids: rand.NewChaCha8(seed),
		turn:  make(chan struct{}, 1), initial: true,
		users: map[string]*link{}, groups: map[string]*link{},
		made: map[string]creation{}, deleted: map[string]creation{},
	}
	return j, nil
}

// take waits for the job's turn; what it returns gives it back.
func (j *Job) take(ctx context.Context) (func(), error) {
	select {
	case j.turn <- struct{}{}:
		return func() { <-j.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("entra: wait for the job: %w", ctx.Err())
	}
}

// guid is the next GUID of a probe.
func (j *Job) guid() string {
	id, err := uuid.NewRandomFromReader(j.guids)
	if err != nil {
		panic(err) // ChaCha8 never fails, by its documentation
	}
	return id.String()
}

// Restart is the portal's "Restart provisioning": it clears the watermark, what
// waits to be tried again, and quarantine, so that the next cycle is an initial
// one. Links between objects are kept; memberships and managers are written
// anew, which is what the documentation recommends to bring them back. It waits
// for a cycle that is under way.
// https://learn.microsoft.com/entra/identity/app-provisioning/how-provisioning-works
func (j *Job) Restart() {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	j.restart()
}

// Reset is a restart with resetScope Full, which only Graph offers: links are
// broken, too, so that every object is matched anew. What the job created is
// still known to CleanUp.
func (j *Job) Reset() {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	j.restart()
	clear(j.users)
	clear(j.groups)
}

func (j *Job) restart() {
	j.mark, j.cycles, j.initial = 0, 0, true
	for _, links := range []map[string]*link{j.users, j.groups} {
		for _, l := range links {
			l.object, l.references, l.managerID, l.read = pause{}, pause{}, "", 0
			// Who is to leave is still known.
			for _, member := range j.options.Directory.Members(l.objectID) {
				delete(l.members, member)
			}
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.quarantine = nil
}

// TestConnection sends what the portal's "Test Connection" sends: look-ups of
// random GUIDs, among groups only if they are mapped. The error is the reason
// for which it failed. It changes nothing about the job.
func (j *Job) TestConnection(ctx context.Context) (Report, error) {
	release, err := j.take(ctx)
	if err != nil {
		return Report{}, err
	}
	defer release()
	r := j.round(j.client.tenant.dialect)
	err = r.probe(ctx)
	return r.record.report(), err
}
