package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// callLimit is how long a step may take that calls the backend.
const callLimit = 4 * time.Second

// usersProbe is what Test Connection, and every cycle, begins with: the look-up
// of a random GUID.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
// https://github.com/MicrosoftDocs/azure-docs/issues/94189
func usersProbe() string {
	return "/Users?filter=userName+eq+%22" + uuid.NewString() + "%22"
}

// groupsProbe is the same among groups.
// https://learn.microsoft.com/answers/questions/923479
func groupsProbe() string {
	return "/Groups?excludedAttributes=members&filter=displayName+eq+%22" + uuid.NewString() + "%22"
}

// probeSteps ask the backend what Entra asks first.
func (c *check) probeSteps() []step {
	return []step{
		{
			name: "credential", limit: callLimit, run: c.credential,
			needs: []string{"settings", secretStep(Outbound), secretStep(BackendCert), secretStep(BackendCA), "tcp", "tls"},
		},
		// The rules that repair an answer are tried through the proxy, with Entra's
		// token.
		{name: "users", limit: callLimit, run: noting(&c.usersFailed, c.users), needs: []string{"credential"}, after: []string{secretStep(Inbound)}},
		{name: "groups", limit: callLimit, run: noting(&c.groupsFailed, c.groups), needs: []string{"credential"}, after: []string{secretStep(Inbound)}},
	}
}

// noting returns run, and leaves whether it failed for those that come after it.
func noting(failed *atomic.Bool, run func(context.Context) Finding) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		finding := run(ctx)
		failed.Store(finding.Status == Fail)
		return finding
	}
}

// asExpected is found where a probe is answered as it should be.
const asExpected = "200 and an empty list, as Entra expects"

func (c *check) users(ctx context.Context) Finding {
	target := usersProbe()
	got, finding, ok := c.call(ctx, http.MethodGet, target, nil)
	if !ok {
		if finding.Class == "redirect" {
			finding.Details = append(finding.Details, c.leads(got)...)
			return c.orElsewhere(ctx, finding)
		}
		return finding
	}
	bad := lookUp(got)
	switch {
	case bad == nil:
		return Finding{Status: Pass, Found: asExpected}
	case got.status == http.StatusNotFound && c.lacks(ctx, "/Users?startIndex=1&count=1", "/ServiceProviderConfig"):
		// A rule that makes an empty list of a 404 would hide it.
		return c.orElsewhere(ctx, Finding{
			Status: Fail, Found: "there is no SCIM service at the path of BACKEND_URL",
			Remedy: "correct the path of BACKEND_URL: it is what stands before /Users", Details: []string{got.brief()},
		})
	}
	finding = c.judged(ctx, target, got, bad)
	if finding.Status == Fail && bad.astray {
		return c.orElsewhere(ctx, finding)
	}
	return finding
}

func (c *check) groups(ctx context.Context) Finding {
	if c.StubGroups {
		return Finding{Status: Skip, Found: "the proxy answers for groups (GROUPS=stub)"}
	}
	target := groupsProbe()
	got, finding, ok := c.call(ctx, http.MethodGet, target, nil)
	if !ok {
		return finding
	}
	bad := lookUp(got)
	switch {
	case bad == nil:
		return Finding{Status: Pass, Found: asExpected}
	case isAbsent(got.status) && c.lacks(ctx, "/Groups?startIndex=1&count=1"):
		if c.lacks(ctx, usersProbe(), "/ServiceProviderConfig") {
			return Finding{Status: Fail, Found: bad.found, Remedy: "see users: there is no SCIM service either", Details: []string{got.brief()}}
		}
		c.advice.set("GROUPS", "stub")
		c.noGroups.Store(true)
		finding = usersOnly
		finding.Details = []string{got.brief()}
		return finding
	}
	return c.judged(ctx, target, got, bad)
}

// usersOnly is the finding for a backend with users only. Entra provisions nobody
// then if groups are mapped, or in scope.
// https://github.com/grokability/snipe-it/issues/11913
var usersOnly = Finding{
	Status: Warn, Found: "the backend has no groups: if Entra provisions them, all fails, users included",
	Remedy: "set GROUPS=stub, or turn off the mapping of groups in Entra",
}

// isAbsent reports whether a status says that there is no such endpoint.
func isAbsent(status int) bool {
	return slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, status)
}

// judged is the finding for a probe whose answer is bad, unless rules repair it.
func (c *check) judged(ctx context.Context, target string, got answer, bad *complaint) Finding {
	if isBad := func(got answer) bool { return got.status == http.StatusBadRequest }; isBad(got) &&
		c.all(ctx, []string{"/Users?startIndex=1&count=1", "/ServiceProviderConfig"}, isBad) {
		bad = &unfiltered
	}
	finding := c.repaired(ctx, asked{method: http.MethodGet, target: target, complaint: lookUpComplaint}, bad.found, Fail, bad.remedy)
	finding.Details = append(finding.Details, got.brief())
	if finding.Status == Fail {
		finding.Class = bad.class
		if shown := entraShows(got); shown != "" {
			finding.Details = append(finding.Details, shown)
		}
	}
	return finding
}

// complaint is what is wrong with the answer to a probe.
type complaint struct {
	found, remedy, class string
	// astray tells that it may be the answer of something else than SCIM.
	astray bool
}

// unfiltered is the complaint about a 400 that is not about the filter, such as that
// to plain HTTP on a port for TLS, to an unknown Host, or where an API key belongs.
var unfiltered = complaint{
	found:  instead + "400, and so does what has no filter",
	remedy: "check scheme, port and path of BACKEND_URL, BACKEND_AUTH, and BACKEND_SERVER_NAME, which the backend gets as Host",
}

// byStatus are the complaints about an answer that is not 200.
var byStatus = map[int]complaint{
	http.StatusBadRequest:       {remedy: "have the backend take filters with eq on userName, displayName and what else Entra matches by"},
	http.StatusForbidden:        {remedy: "give the account behind BACKEND_TOKEN the right to read and to write users and groups"},
	http.StatusNotFound:         {remedy: "correct the path of BACKEND_URL, or have the backend answer 200 and an empty ListResponse where nothing matches"},
	http.StatusMethodNotAllowed: {remedy: "correct the path of BACKEND_URL: what is there cannot be read", astray: true},
	http.StatusNotAcceptable:    {remedy: "have the backend answer calls without an Accept header"},
	http.StatusTooManyRequests:  {remedy: "raise the backend's limit for the proxy: Entra hardly waits, and puts the job into quarantine"},
}

const (
	// instead begins the complaints.
	instead    = "Entra's look-up gets "
	wrongPlace = "correct the path of BACKEND_URL, or exempt it from what is in front of the backend, such as single sign-on"
)

// lookUp returns what is wrong with the answer to a probe; nil if nothing is. A
// Resources that is null or absent is not: the step about lists says so.
func lookUp(got answer) *complaint {
	switch {
	case got.status >= http.StatusInternalServerError:
		return &complaint{
			found: fmt.Sprintf("%s%d", instead, got.status), class: "backend_error",
			remedy: "see the log of the backend, or of what is in front of it: the call came that far",
		}
	case got.status != http.StatusOK:
		bad := byStatus[got.status]
		bad.found = fmt.Sprintf("%s%d", instead, got.status)
		if bad.remedy == "" {
			bad.remedy = "see the log of the backend, and whether BACKEND_URL leads to its SCIM service"
		}
		return &bad
	case got.cut:
		return &complaint{found: instead + "more than 512 KiB, where an empty list belongs", remedy: "have the backend honour filters with eq"}
	case firstByte(got.body) == '<':
		return &complaint{found: instead + "a page for people (HTML)", remedy: wrongPlace, astray: true}
	}
	list, ok := readMessage(got.body)
	if !ok {
		return &complaint{found: instead + "something that is not a JSON object", remedy: wrongPlace, astray: true}
	}
	return lookUpList(list)
}

// lookUpComplaint is lookUp for [asked].
func lookUpComplaint(got answer) string {
	if bad := lookUp(got); bad != nil {
		return bad.found
	}
	return ""
}

// The schemas that tell what a list is: RFC 7644 section 3.4.2, and version 1.1
// of SCIM.
const (
	listSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	oldSchema  = "urn:scim:schemas:core:1.0"
)

// lookUpList is lookUp for a JSON object.
func lookUpList(list message) *complaint {
	resources, isArray := list.get("Resources").([]any)
	number, _ := list.get("totalResults").(json.Number)
	total, err := number.Float64()
	asSpecified := "have the backend answer as RFC 7644 section 3.4.2 has it"
	switch {
	case list.hasSchema(oldSchema):
		return &complaint{found: instead + "an answer of SCIM 1.1", remedy: "lead BACKEND_URL to the backend's SCIM 2.0", astray: true}
	case !list.hasSchema(listSchema):
		return &complaint{found: instead + "JSON that is no ListResponse", remedy: wrongPlace, astray: true}
	case !isArray && list.get("Resources") != nil:
		return &complaint{found: instead + "a list whose Resources are no array", remedy: asSpecified}
	case err != nil:
		return &complaint{found: instead + "a list without a number in totalResults", remedy: asSpecified}
	case total != 0 || len(resources) > 0:
		return &complaint{
			found:  instead + "a match for a random name: it would take strangers for the people that it looks for",
			remedy: "have the backend honour filters with eq, and find nothing where nothing is equal",
		}
	}
	return nil
}

// isList reports whether an answer is a ListResponse, whatever is in it.
func isList(got answer) bool {
	list, ok := readMessage(got.body)
	return ok && got.status == http.StatusOK && list.hasSchema(listSchema)
}

// firstByte is the first that is no white space of JSON (RFC 8259 section 2); 0
// if there is none.
func firstByte(body []byte) byte {
	if trimmed := bytes.TrimLeft(body, " \t\r\n\ufeff"); len(trimmed) > 0 {
		return trimmed[0]
	}
	return 0
}

// lacks reports whether GETs of the targets all say that there is nothing there.
// Who refuses one, or does not answer it in time, does not say so.
func (c *check) lacks(ctx context.Context, targets ...string) bool {
	return c.all(ctx, targets, func(got answer) bool {
		return isAbsent(got.status) || got.status == http.StatusOK && firstByte(got.body) != '{'
	})
}

// all reports whether GETs of the targets are all answered so. If the time is over
// before, that is not known, and not reported.
func (c *check) all(ctx context.Context, targets []string, so func(answer) bool) bool {
	for _, target := range targets {
		if got, _, ok := c.call(ctx, http.MethodGet, target, nil); !ok || !so(got) {
			return false
		}
	}
	return ctx.Err() == nil
}

// entraShows says what the admin sees of an answer; "" if nothing is known.
// https://github.com/grokability/snipe-it/issues/11913
// https://github.com/grokability/snipe-it/issues/11094
func entraShows(got answer) string {
	switch {
	case got.status == http.StatusNotFound:
		return `Entra shows: "An HTTP/404 Not Found response was returned rather than the expected HTTP/200 OK"`
	case got.status == http.StatusUnauthorized, got.status == http.StatusForbidden:
		return `Entra shows: "You appear to have entered invalid credentials"`
	case got.status == http.StatusOK && firstByte(got.body) != '{':
		return `Entra shows: "We are not able to deserialize the resource received from your SCIM endpoint"`
	}
	return ""
}
