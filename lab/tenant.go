package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/window"
)

// tenant is a small company whose people the buttons of the window provision.
type tenant struct {
	stand     *stand.Stand
	recorder  *window.Recorder
	client    *entra.Client
	directory *directory.Directory
	job       *entra.Job

	mu    sync.Mutex
	weeks uint64 // cycles so far
	away  bool   // the vault
}

func newTenant(s *stand.Stand, system profile.Profile, recorder *window.Recorder) (*tenant, error) {
	d, err := stand.NewDirectory(system, directory.Options{Seed: 1, Users: 24, Groups: 4, Memberships: 48})
	if err != nil {
		return nil, err
	}
	client, err := entra.New(entra.Options{TenantURL: s.TenantURL(system.Entra.Flag), Token: s.Token()})
	if err != nil {
		return nil, err
	}
	job, err := entra.NewJob(client, stand.JobOptions(system, d))
	if err != nil {
		return nil, err
	}
	return &tenant{stand: s, recorder: recorder, client: client, directory: d, job: job}, nil
}

func (t *tenant) close() { t.client.Close() }

// actions are the buttons of the window.
func (t *tenant) actions() []window.Action {
	vault := window.Action{
		Name: "vault", Label: "Take the vault away, or bring it back",
		Hint: "Calls go on with the secrets that the proxy has; its log tells.", Run: t.toggleVault,
	}
	if t.stand.Vault == nil {
		vault.Disabled = "A key vault on this machine needs Linux or a BSD; the secrets are in files."
	}
	return []window.Action{
		{
			Name: "cycle", Label: "Run a cycle",
			Hint: "The first provisions a small company; before each further one it changes.", Run: t.cycle,
		},
		{
			Name: "disable", Label: "Disable a user",
			Hint: "An account is blocked, and an incremental cycle tells the backend.", Run: t.disable,
		},
		{
			Name: "rotate", Label: "Rotate " + rotated(t.stand),
			Hint: "The backend drops its old token at once; then Entra looks a user up.", Run: t.rotate,
		},
		vault,
	}
}

// cycle runs a provisioning cycle. Before all but the first the company
// changes.
func (t *tenant) cycle(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kinds []string // of the changes
	if t.weeks > 0 {
		for _, change := range t.directory.Churn(t.weeks, 16) {
			kinds = append(kinds, change.Kind)
		}
		slices.Sort(kinds)
	}
	t.weeks++
	t.recorder.SetStep(fmt.Sprintf("cycle %d", t.weeks))
	report, err := t.job.Cycle(ctx)
	if err != nil {
		return "", err
	}
	if len(kinds) > 0 {
		return fmt.Sprintf("%s; after: %s", summary(report), strings.Join(slices.Compact(kinds), ", ")), nil
	}
	return summary(report), nil
}

// disable blocks one user whom the endpoint knows. On demand would not do: it
// does not find accounts that are blocked.
func (t *tenant) disable(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.weeks == 0 {
		return "", errors.New("nobody is provisioned yet: run a cycle first")
	}
	for _, id := range t.directory.Users() {
		user, _ := t.directory.User(id)
		if !user.Active() || !t.directory.InScope(id) {
			continue
		}
		if err := t.directory.SetEnabled(id, false); err != nil {
			return "", err
		}
		t.recorder.SetStep("disable " + user.GivenName)
		report, err := t.job.Cycle(ctx)
		if err != nil {
			return "", err
		}
		return user.DisplayName + " is blocked: " + summary(report), nil
	}
	return "", errors.New("everybody is disabled already")
}

// rotated is what a rotation replaces.
func rotated(s *stand.Stand) string {
	if s.BackendToken() == "" {
		return "Entra's token" // the backend knows the proxy by its certificate
	}
	return "both tokens"
}

// rotate replaces the tokens, and lets a look-up show that it made no
// difference.
func (t *tenant) rotate(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.stand.Rotate(); err != nil {
		return "", err
	}
	t.client.SetToken(t.stand.Token())
	t.recorder.SetStep("after the rotation")
	if _, err := t.job.TestConnection(ctx); err != nil {
		return "", fmt.Errorf("after the rotation Test Connection fails: %w", err)
	}
	if t.stand.BackendToken() == "" {
		return "Entra's token is replaced, and Test Connection succeeds", nil
	}
	return "Both tokens are replaced, and Test Connection succeeds", nil
}

// toggleVault makes the vault unreachable, or ends that.
func (t *tenant) toggleVault(context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away = !t.away
	t.stand.Vault.SetDown(t.away)
	if !t.away {
		t.recorder.SetFact(window.Fact{Label: "Vault"})
		return "The vault is back", nil
	}
	t.recorder.SetFact(window.Fact{Label: "Vault", Value: "away since " + time.Now().Format(time.TimeOnly), Alert: true})
	return "The vault is away", nil
}

// summary is a report on one line: "users: 24 created; calls: 48".
func summary(r entra.Report) string {
	type outcome struct {
		count int
		name  string
	}
	objects := func(c entra.Counts) []outcome {
		return []outcome{
			{c.Created, "created"}, {c.Updated + c.Linked, "updated"}, {c.Disabled, "disabled"},
			{c.Restored, "restored"}, {c.Deleted, "deleted"}, {c.Failed, "failed"},
		}
	}
	var parts []string
	for _, kind := range []struct {
		name     string
		outcomes []outcome
	}{
		{"users", objects(r.Users)},
		{"groups", objects(r.Groups)},
		{"members", []outcome{{r.MembersAdded, "added"}, {r.MembersRemoved, "removed"}}},
		{"managers", []outcome{{r.ManagersSet, "set"}}},
		{"references", []outcome{{r.ReferencesFailed, "failed"}}},
	} {
		var said []string
		for _, o := range kind.outcomes {
			if o.count > 0 {
				said = append(said, fmt.Sprintf("%d %s", o.count, o.name))
			}
		}
		if said != nil {
			parts = append(parts, kind.name+": "+strings.Join(said, ", "))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("calls: %d", r.Calls)), "; ")
}
