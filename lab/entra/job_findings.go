package entra

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// Finding is one way in which answers were not what Entra needs.
type Finding struct {
	// Rule is a short name of what Entra needs, Sentence says it, and Source is
	// where it says so.
	Rule, Sentence, Source string
	// Fatal says that the object concerned failed by it. What is not fatal is
	// said to work in practice, or shows only later.
	Fatal bool
	// Count is the number of answers that were found so.
	Count int
	// Example is one of the calls; its Detail says what was found.
	Example Call
}

// rule is what Entra needs of an answer.
type rule struct {
	sentence, source string
	fatal            bool
}

// The documents that rules come from.
const (
	docUse  = "https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups"
	docSCIM = "RFC 7644"
)

// The names of the rules.
const (
	ruleLookUpStatus = "look-up status"
	ruleReadStatus   = "read status"
	ruleCreateStatus = "create status"
	ruleUpdateStatus = "user update status"
	ruleGroupStatus  = "group update status"
	ruleDeleteStatus = "delete status"
	ruleWorksStatus  = "unusual status"
	ruleRedirect     = "redirect"
	ruleMedia        = "content type"
	ruleJSON         = "JSON"
	ruleList         = "list"
	ruleListSchema   = "list schema"
	ruleResources    = "Resources"
	ruleTotal        = "totalResults"
	ruleMatches      = "one match"
	ruleWrongMatch   = "right match"
	ruleProbe        = "probe finds nobody"
	ruleID           = "id"
	ruleStableID     = "stable id"
	ruleType         = "types"
	ruleOneOfAType   = "one of a type"
	ruleRoundTrip    = "round trip"
	ruleKept         = "kept"
	ruleMembers      = "members excluded"
	ruleLocation     = "location"
	ruleErrorBody    = "SCIM Error"
	ruleUniqueness   = "uniqueness"
)

// rules is the table of what Entra needs.
var rules = map[string]rule{
	ruleLookUpStatus: {"A look-up by filter is answered 200, with an empty list if nothing matches.", docUse, true},
	ruleReadStatus:   {"A GET by id is answered 200, or 404 if there is no such resource.", docUse, true},
	ruleCreateStatus: {"A POST is answered 201, or 409 if there is such a resource already.", docUse, true},
	ruleUpdateStatus: {"A PATCH of a user is answered 200 or 204.", docUse, true},
	ruleGroupStatus:  {"A PATCH of a group is answered 204.", docUse, true},
	ruleDeleteStatus: {"A DELETE is answered 204.", docUse, true},
	ruleWorksStatus: {
		"The status is one that works in practice, but not the one that is documented.",
		"https://github.com/grokability/snipe-it/issues/19096", false,
	},
	ruleRedirect: {"An endpoint answers by itself: redirects are not known to be followed.", docUse, true},
	// No capture shows that Entra fails over it.
	ruleMedia: {"Every body is application/scim+json.", docUse, false},
	ruleJSON: {
		"Every answer but 204 has a JSON object as its body.",
		"https://github.com/grokability/snipe-it/issues/11094", true,
	},
	ruleList:       {"A look-up is answered by a ListResponse with its matches in an array Resources.", docUse, true},
	ruleListSchema: {"A list says by its schemas that it is a ListResponse.", docUse, false},
	// RFC 7644 section 3.4.2 lets it out of an empty list; Microsoft's samples do not.
	ruleResources: {"An empty list has an empty array Resources: neither null nor nothing.", docUse, false},
	ruleTotal:     {"totalResults is the number of matches.", docUse, false},
	ruleMatches: {
		"No more than one resource matches the value of an attribute that is matched by.",
		"https://github.com/FusionAuth/fusionauth-issues/issues/3111", true,
	},
	// What Entra does with somebody else is not documented. To overwrite them is
	// not something a lab should do.
	ruleWrongMatch: {"A match has the value that was asked for.", docSCIM + " section 3.4.2.2", true},
	ruleProbe:      {"Nobody matches the random GUID that tests the connection.", docUse, false},
	ruleID:         {"Every resource has an id.", docUse, true},
	ruleStableID:   {"The id of a resource never changes.", "RFC 7643 section 3.1", true},
	ruleType: {
		"Attributes have the JSON types of RFC 7643: active is a boolean, manager an object, other values strings.",
		"https://github.com/Budibase/budibase/issues/15369", true,
	},
	// A path such as emails[type eq "work"] means both of them.
	ruleOneOfAType: {"No two elements of a multi-valued attribute have the same type.", docUse, false},
	ruleRoundTrip:  {"An answer holds the values that were sent, unchanged.", docUse, false},
	ruleKept:       {"What was written is what is read later, unless somebody else changed it.", docUse, false},
	ruleMembers: {
		"A group does not show the members that excludedAttributes excludes; or else it is emptied.",
		"https://github.com/Infisical/infisical/pull/6525", false,
	},
	// Entra is not known to follow them.
	ruleLocation:  {"Locations lead below the tenant URL, and what was created has one.", docSCIM + " section 3.3", false},
	ruleErrorBody: {"An error has a SCIM Error for its body, or none: administrators get to see it.", docSCIM + " section 3.12", false},
	// No evidence that Entra looks at it.
	ruleUniqueness: {"A 409 says by scimType that it is about uniqueness.", docUse, false},
}

// verdict is what is found about one answer.
type verdict struct {
	rules []string // in the order in which they were found
	// details say what was found, by rule.
	details []string
}

// note adds a finding; the first of a rule is enough.
func (v *verdict) note(name, format string, args ...any) {
	if !slices.Contains(v.rules, name) {
		v.rules = append(v.rules, name)
		v.details = append(v.details, fmt.Sprintf(format, args...))
	}
}

// err is the first finding that is fatal.
func (v *verdict) err() error {
	for i, name := range v.rules {
		if rules[name].fatal {
			return errors.New(v.details[i])
		}
	}
	return nil
}

// manner is a way in which a kind of call may be answered.
type manner struct {
	// right are the statuses that are documented for success, works those that
	// do as well, refuses those that say no in the right way.
	right, works, refuses []int
	// rule is the one that all others break.
	rule string
}

// The manners.
var (
	lookUpManner = manner{right: wantOK, rule: ruleLookUpStatus}
	readManner   = manner{right: []int{http.StatusOK, http.StatusNotFound}, rule: ruleReadStatus}
	createManner = manner{
		right: wantCreated, works: wantOK, refuses: []int{http.StatusConflict}, rule: ruleCreateStatus,
	}
	userManner  = manner{right: wantUserPatched, works: []int{http.StatusAccepted}, rule: ruleUpdateStatus}
	groupManner = manner{right: wantGroupPatched, works: wantOK, rule: ruleGroupStatus}
	// A resource that is gone already is one deleted.
	deleteManner = manner{
		right: wantDeleted, works: []int{http.StatusOK, http.StatusAccepted, http.StatusNotFound}, rule: ruleDeleteStatus,
	}
)

// examine checks what holds for every answer, and returns its body if that is
// one to look at.
func (v *verdict) examine(base string, m manner, got answer) map[string]any {
	status := got.status
	known := slices.Contains(m.right, status) || slices.Contains(m.works, status)
	switch {
	case slices.Contains(m.right, status), slices.Contains(m.refuses, status):
	case known:
		v.note(ruleWorksStatus, "want %s, got %d", statuses(m.right), status)
	case status >= 300 && status < 400:
		v.note(ruleRedirect, "%v", unexpected(m.right, got))
	default:
		v.note(m.rule, "%v", unexpected(m.right, got))
	}
	switch {
	case status >= http.StatusBadRequest:
		v.errorBody(m, got)
		return nil
	case !known, status == http.StatusNoContent, m.rule == ruleDeleteStatus && len(got.body) == 0:
		return nil
	}
	return v.success(base, got)
}

// errorBody wants a SCIM Error that repeats the status, or no body; of a
// duplicate, one that says so.
func (v *verdict) errorBody(m manner, got answer) {
	duplicate := got.status == http.StatusConflict && slices.Contains(m.refuses, got.status)
	if len(bytes.TrimSpace(got.body)) == 0 {
		if duplicate {
			v.note(ruleUniqueness, "the 409 has no body")
		}
		return
	}
	var problem struct {
		Schemas  []string `json:"schemas"`
		Status   any      `json:"status"`
		SCIMType string   `json:"scimType"`
	}
	status := strconv.Itoa(got.status)
	switch err := json.Unmarshal(got.body, &problem); {
	case err != nil:
		v.note(ruleErrorBody, "the body of the %d is not JSON", got.status)
		return
	case !slices.Contains(problem.Schemas, errorSchema), fmt.Sprint(problem.Status) != status:
		v.note(ruleErrorBody, "the body of the %d is not a SCIM Error with that status", got.status)
	case duplicate && problem.SCIMType != "uniqueness":
		v.note(ruleUniqueness, "the scimType of the 409 is %q", problem.SCIMType)
	}
	v.media(got.header)
}

func (v *verdict) media(header http.Header) {
	if text := header.Get("Content-Type"); !isSCIM(text) {
		v.note(ruleMedia, "the content type is %q", text)
	}
}

// success wants JSON in SCIM's media type, with locations that lead back.
func (v *verdict) success(base string, got answer) map[string]any {
	v.media(got.header)
	body, err := jsonObject(got.body)
	if err != nil {
		v.note(ruleJSON, "the body of the %d is not a JSON object", got.status)
		return nil
	}
	header := got.header.Get("Location")
	if header == "" && got.status == http.StatusCreated {
		v.note(ruleLocation, "there is no Location of what was created")
	}
	v.below(base, header)
	v.located(base, body)
	return body
}

// located checks the location in a resource's meta.
func (v *verdict) located(base string, resource map[string]any) {
	meta, _ := lookUp(resource, "meta").(map[string]any)
	location, _ := lookUp(meta, "location").(string)
	v.below(base, location)
}

// below wants a location, if there is one, below the tenant URL.
func (v *verdict) below(base, reference string) {
	if reference != "" && !below(base, reference) {
		v.note(ruleLocation, "a location leads elsewhere than to the tenant URL: %q", reference)
	}
}

// found is the resource in the answer to a look-up; nil if nothing matched.
func (v *verdict) found(base string, list map[string]any) map[string]any {
	if err := hasSchema(list, listSchema); err != nil {
		v.note(ruleListSchema, "%v", err)
	}
	total, isNumber := list["totalResults"].(float64)
	resources, isArray := list["Resources"].([]any)
	switch {
	case !isArray && isNumber && total == 0:
		v.note(ruleResources, "Resources of an empty list is no array")
	case !isArray:
		v.note(ruleList, "the list has no array Resources")
		return nil
	}
	if !isNumber || int(total) != len(resources) {
		v.note(ruleTotal, "totalResults is %s, of %d resources", quote(list["totalResults"]), len(resources))
	}
	switch len(resources) {
	case 0:
		return nil
	case 1:
		resource, ok := resources[0].(map[string]any)
		if !ok {
			v.note(ruleList, "the match is %s, no resource", quote(resources[0]))
		}
		v.located(base, resource)
		return resource
	}
	v.note(ruleMatches, "%d resources match", len(resources))
	return nil
}

// identified wants a resource with an id: any if want is empty. It returns the
// id.
func (v *verdict) identified(resource map[string]any, want string) string {
	id, _ := resource["id"].(string)
	switch {
	case id == "":
		v.note(ruleID, "the resource has no id")
	case want != "" && id != want:
		v.note(ruleStableID, "the id is that of another resource")
	}
	return id
}

// typed wants active as a boolean, the manager as an object, and other
// attributes as strings, where they are.
func (v *verdict) typed(attributes []attribute, resource map[string]any) {
	if active := lookUp(resource, "active"); active != nil {
		if _, ok := active.(bool); !ok {
			v.note(ruleType, "active is %s", quote(active))
		}
	}
	if manager := managerRow("").get(resource); manager != nil {
		if _, ok := manager.(map[string]any); !ok {
			v.note(ruleType, "the manager is %s", quote(manager))
		}
	}
	for _, a := range attributes {
		if value := a.get(resource); value != nil {
			if _, ok := value.(string); !ok {
				v.note(ruleType, "%s is %s", a.path(), quote(value))
			}
		}
		if a.kind != "" && len(a.ofKind(lookUp(resource, a.name))) > 1 {
			v.note(ruleOneOfAType, "%s has more than one element of type %q", a.name, a.kind)
		}
	}
}

// holds wants the values in the resource; with partial, only where it has any.
// What is no string is for typed to find.
func (v *verdict) holds(name string, attributes []attribute, want []string, resource map[string]any, partial bool) {
	for i, a := range attributes {
		if want[i] == "" {
			continue
		}
		got := a.get(resource)
		if _, isText := got.(string); isText && got != any(want[i]) || got == nil && !partial {
			v.note(name, "%s was sent as %s and came back as %s", a.path(), quote(want[i]), quote(got))
		}
	}
}

// excluded reports whether a group shows members; an empty array does no harm
// that is known of, but should not be there.
func (v *verdict) excluded(group map[string]any) bool {
	shown := lookUp(group, "members")
	if shown == nil {
		return false
	}
	v.note(ruleMembers, "members is there although it was excluded")
	list, _ := shown.([]any)
	return len(list) > 0
}

// sortFindings puts what is fatal first, then by name.
func sortFindings(list []Finding) {
	slices.SortFunc(list, func(a, b Finding) int {
		switch {
		case a.Fatal == b.Fatal:
			return cmp.Compare(a.Rule, b.Rule)
		case a.Fatal:
			return -1
		}
		return 1
	})
}
