package check

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

// sample are the resources that answers are judged by, those that a run with
// Write has created. None of it is shown.
type sample struct {
	userID, userName   string
	groupID, groupName string
	// groupHasMembers tells that the group has a member.
	groupHasMembers bool
}

// quality are the steps that judge the backend's answers.
type quality struct {
	*check
	// seen are the resources that they look at: some that the backend has, or else
	// those that the run has created. The step "list" leaves it.
	seen sample
}

// qualitySteps judge the backend's answers.
func (c *check) qualitySteps() []step {
	q := &quality{check: c}
	needs := []string{"users", secretStep(Inbound)}
	after := []string{"groups", "create user", "create group"}
	with := append(after, "list")
	return []step{
		{name: "content type", needs: needs, after: after, limit: callLimit, run: saying("application/scim+json", q.contentTypes)},
		{name: "list", needs: needs, after: after, limit: callLimit, run: saying("lists are ListResponses", q.lists)},
		{name: "excludedAttributes", needs: needs, after: with, limit: callLimit, run: saying("groups come without their members where Entra asks for that", q.excludedMembers)},
		{name: "filter", needs: needs, after: with, limit: callLimit, run: saying("a name in any case finds its owner, and nobody else", q.filters)},
		{name: "not found", needs: needs, after: with, limit: callLimit, run: saying("an unknown id is answered with 404", q.notFound)},
		{name: "resources", needs: needs, after: with, limit: callLimit, run: saying("users and groups are as RFC 7643 has them", q.resources)},
	}
}

// saying returns run with words for where it finds nothing to say.
func saying(found string, run func(context.Context) Finding) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		finding := run(ctx)
		if finding.Status == Pass && finding.Found == "" {
			finding.Found = found
		}
		return finding
	}
}

// The findings for what there is nothing to judge by.
var (
	noUser  = Finding{Status: Skip, Found: "no user to look at; --write makes one"}
	noGroup = Finding{Status: Skip, Found: "no group with members to look at; --write makes one"}
	stubbed = Finding{Status: Skip, Found: "the proxy answers for groups (GROUPS=stub)"}
)

// usersList and groupsList name lists in findings.
const usersList, groupsList = "the list of users", "the list of groups"

// contentTypes judges the media type of a list and of an error.
func (q *quality) contentTypes(ctx context.Context) Finding {
	return merged(together(func() []Finding {
		_, findings := q.judge(ctx, usersProbe(), answered(Fail, "a look-up", http.StatusOK), mediaTypes)
		return findings
	}, func() []Finding {
		target := unknownUser()
		got, bad, ok := q.call(ctx, http.MethodGet, target, nil)
		if !ok {
			return []Finding{bad}
		}
		if _, isMessage := readMessage(got.body); !isMessage {
			return nil // the matter of the step "not found"
		}
		_, findings := q.judge(ctx, target, answered(Fail, "an unknown id", got.status), mediaTypes)
		return findings
	}))
}

// lists judges lists, and leaves what the backend has for other steps.
func (q *quality) lists(ctx context.Context) Finding {
	var found sample
	parts := []func() []Finding{
		func() []Finding {
			_, findings := q.judge(ctx, usersProbe(), answered(Fail, "a look-up", http.StatusOK), listTraits(usersList))
			return findings
		},
		// Entra asks for pages in account discovery only, hence no more than a warning.
		// https://learn.microsoft.com/entra/identity/app-provisioning/how-to-account-discovery
		func() []Finding {
			got, findings := q.judge(ctx, usersPage, answered(Warn, usersList, http.StatusOK), append(listTraits(usersList), pageTrait))
			found.takeUser(readResources(got.body))
			return atMost(Warn, findings)
		},
	}
	if !q.StubGroups {
		parts = append(parts, func() []Finding {
			got, findings := q.judge(ctx, groupPage, answered(Warn, groupsList, http.StatusOK), listTraits(groupsList))
			if isAbsent(got.status) {
				return nil // the step "groups" says it
			}
			q.findGroup(ctx, &found, readResources(got.body))
			return atMost(Warn, findings)
		})
	}
	findings := together(parts...)
	found.complete(q.sample)
	q.mu.Lock() // this step may have overrun its limit, and others look already
	defer q.mu.Unlock()
	q.seen = found
	return merged(findings)
}

// look returns what there is to look at.
func (q *quality) look() sample {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.seen
}

// The pages that resources come from which answers are judged by. Not every user
// has a manager; a group may have very many members.
const (
	pageSize   = 10
	usersPage  = "/Users?startIndex=1&count=10"
	groupPage  = "/Groups?startIndex=1&count=1"
	groupsPage = "/Groups?startIndex=1&count=10"
)

// takeUser takes the user whose resource says most.
func (s *sample) takeUser(users []message) {
	managed := false
	for _, user := range users {
		has := user.object(enterpriseSchema).get("manager") != nil
		if user.id() != "" && user.text("userName") != "" && (s.userID == "" || has && !managed) {
			s.userID, s.userName, managed = user.id(), user.text("userName"), has
		}
	}
}

// takeGroup takes a group, one with members if there is one.
func (s *sample) takeGroup(groups []message) {
	for _, group := range groups {
		has := len(group.objects("members")) > 0
		if group.id() != "" && group.text("displayName") != "" && (s.groupID == "" || has && !s.groupHasMembers) {
			s.groupID, s.groupName, s.groupHasMembers = group.id(), group.text("displayName"), has
		}
	}
}

// findGroup takes the first group, or one of a few if that has no members.
func (q *quality) findGroup(ctx context.Context, found *sample, first []message) {
	found.takeGroup(first)
	if found.groupID == "" || found.groupHasMembers {
		return
	}
	// Some show members by id only.
	group, _ := readMessage(q.read(ctx, "/Groups/"+url.PathEscape(found.groupID)))
	if found.groupHasMembers = len(group.objects("members")) > 0; !found.groupHasMembers {
		found.takeGroup(readResources(q.read(ctx, groupsPage)))
	}
}

// read returns the body of a GET that is not judged.
func (q *quality) read(ctx context.Context, target string) []byte {
	got, _, _ := q.get(ctx, target) // no answer has no body
	return got.body
}

// complete takes what the run has made for what the backend did not have.
func (s *sample) complete(made sample) {
	if s.userID == "" {
		s.userID, s.userName = made.userID, made.userName
	}
	if made.groupID != "" && !s.groupHasMembers {
		s.groupID, s.groupName, s.groupHasMembers = made.groupID, made.groupName, made.groupHasMembers
	}
}

// unknownUser is the path of a user that there is not.
func unknownUser() string { return "/Users/" + uuid.NewString() }

// equals is a filter as Entra writes it in a query.
func equals(attribute, value string) string {
	text := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) // a JSON string (RFC 7644 section 3.4.2.2)
	return "filter=" + url.QueryEscape(attribute+` eq "`+text+`"`)
}
