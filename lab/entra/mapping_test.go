package entra

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// What Entra documents about leaving and entering the scope, one row for each
// sentence.
func TestWishes(t *testing.T) {
	const in, out = true, false
	person := func(enabled, binned bool) directory.User {
		return directory.User{AccountEnabled: enabled, SoftDeleted: binned}
	}
	old, new := []string{"ada", "Analyst", "Ada"}, []string{"ada@contoso.com", "", "Ada"}
	merged := []string{"ada@contoso.com", "Analyst", "Ada"} // what was cleared is not sent
	was := wish{presence: present, active: true, values: old}
	for name, test := range map[string]struct {
		policy  policy
		before  wish
		user    directory.User
		inScope bool
		known   bool
		want    wish
	}{
		"joiner":                              {policy{}, wish{}, person(true, false), in, false, wish{presence: present, active: true, values: new}},
		"disabled joiner":                     {policy{}, wish{}, person(false, false), in, false, wish{}},
		"joiner in the recycle bin":           {policy{}, wish{}, person(true, true), in, false, wish{}},
		"somebody else":                       {policy{}, wish{}, person(true, false), out, false, wish{}},
		"creation failed, disabled meanwhile": {policy{}, was, person(false, false), in, false, wish{}},
		"changed":                             {policy{}, was, person(true, false), in, true, wish{presence: present, active: true, values: merged}},
		"disabled":                            {policy{}, was, person(false, false), in, true, wish{presence: present, values: merged}},
		"soft deleted":                        {policy{}, was, person(true, true), in, true, wish{presence: present, frozen: true, values: old}},
		"restored": {
			policy{}, wish{presence: present, frozen: true, values: old}, person(true, false), in, true,
			wish{presence: present, active: true, values: merged},
		},
		"unassigned":                {policy{}, was, person(true, false), out, true, wish{presence: present, frozen: true, values: old}},
		"unassigned, skipped":       {policy{skipOut: true}, was, person(true, false), out, true, wish{presence: present, active: true, frozen: true, values: old}},
		"disabled, nothing skipped": {policy{skipOut: true}, was, person(false, false), in, true, wish{presence: present, values: merged}},
		"disabled, not mapped":      {policy{deletes: true}, was, person(false, false), in, true, wish{presence: removed}},
		"soft deleted, not mapped":  {policy{deletes: true}, was, person(true, true), in, true, wish{presence: removed}},
		"unassigned, not mapped":    {policy{deletes: true}, was, person(true, false), out, true, wish{presence: removed}},
		"unassigned, not mapped, skipped": {
			policy{deletes: true, skipOut: true}, was, person(true, false), out, true, wish{presence: present, active: true, frozen: true, values: old},
		},
	} {
		got := test.policy.user(test.before, test.user, new, test.inScope, test.known)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(wish{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, test := range map[string]struct {
		policy         policy
		inScope, known bool
		want           wish
	}{
		"never provisioned":                     {policy{}, in, false, wish{}},
		"in scope":                              {policy{}, in, true, wish{presence: removed}},
		"unassigned first":                      {policy{}, out, true, wish{presence: left, frozen: true, values: old}},
		"unassigned first, skipped":             {policy{skipOut: true}, out, true, wish{presence: left, active: true, frozen: true, values: old}},
		"unassigned first, not mapped":          {policy{deletes: true}, out, true, wish{presence: removed}},
		"unassigned first, not mapped, skipped": {policy{deletes: true, skipOut: true}, out, true, wish{presence: left, active: true, frozen: true, values: old}},
	} {
		got := test.policy.purged(was, directory.Gone{InScope: test.inScope}, test.known)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(wish{})); diff != "" {
			t.Errorf("purged, %s (-want +got):\n%s", name, diff)
		}
	}
	group := wish{presence: present, values: old}
	for name, test := range map[string]struct {
		got, want wish
	}{
		"new":                 {policy{}.group(wish{}, new, in, false), wish{presence: present, values: new}},
		"not assigned":        {policy{}.group(wish{}, new, out, false), wish{}},
		"renamed":             {policy{}.group(group, new, in, true), wish{presence: present, values: merged}},
		"unassigned":          {policy{}.group(group, new, out, true), wish{presence: removed}},
		"unassigned, skipped": {policy{skipOut: true}.group(group, new, out, true), wish{presence: present, frozen: true, values: old}},
		"deleted":             {policy{}.deletedGroup(group, directory.Gone{InScope: true}, true), wish{presence: removed}},
		"deleted, unknown":    {policy{}.deletedGroup(wish{}, directory.Gone{InScope: true}, false), wish{}},
		"unassigned, deleted": {policy{}.deletedGroup(group, directory.Gone{}, true), wish{presence: removed}},
		"unassigned, skipped, deleted": {
			policy{skipOut: true}.deletedGroup(group, directory.Gone{}, true), wish{presence: left, frozen: true, values: old},
		},
	} {
		if diff := cmp.Diff(test.want, test.got, cmp.AllowUnexported(wish{})); diff != "" {
			t.Errorf("group, %s (-want +got):\n%s", name, diff)
		}
	}
}

// Every row of the mapping reads what it puts, in any case of the names.
func TestMappingRoundTrips(t *testing.T) {
	resource := map[string]any{}
	rows := userMapping()
	for _, row := range rows {
		row.put(resource, row.path())
	}
	encoded, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(encoded, &back); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, resource := range []map[string]any{back, upperNames(back).(map[string]any)} {
			if got := row.get(resource); got != any(row.path()) {
				t.Errorf("%s: got %v", row.path(), got)
			}
		}
		if got := row.get(map[string]any{}); got != nil {
			t.Errorf("%s of nothing: got %v", row.path(), got)
		}
	}
	full := directory.User{
		UserPrincipalName: "1", MailNickname: "2", DisplayName: "3", GivenName: "4", Surname: "5", JobTitle: "6", Department: "7", EmployeeID: "8",
		Mail: "9", PreferredLanguage: "10", PhysicalDeliveryOfficeName: "11", StreetAddress: "12", City: "13", State: "14", PostalCode: "15",
		Country: "16", TelephoneNumber: "17", Mobile: "18", FacsimileTelephoneNumber: "19",
	}
	got := map[string]string{}
	for _, row := range rows {
		got[row.path()] = row.source(full)
	}
	want := map[string]string{
		"userName": "1", "externalId": "2", "displayName": "3", "name.givenName": "4", "name.familyName": "5", "name.formatted": "4 5", "title": "6",
		department: "7", employeeNumber: "8", workEmail: "9", "preferredLanguage": "10", `addresses[type eq "work"].formatted`: "11",
		`addresses[type eq "work"].streetAddress`: "12", `addresses[type eq "work"].locality`: "13", `addresses[type eq "work"].region`: "14",
		`addresses[type eq "work"].postalCode`: "15", `addresses[type eq "work"].country`: "16", workPhone: "17", mobilePhone: "18",
		`phoneNumbers[type eq "fax"].value`: "19",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the mapping (-want +got):\n%s", diff)
	}
}

// upperNames is a value with other spellings of all names.
func upperNames(value any) any {
	switch value := value.(type) {
	case map[string]any:
		upper := map[string]any{}
		for name, member := range value {
			upper[string(name[0]-32)+name[1:]] = upperNames(member)
		}
		return upper
	case []any:
		upper := make([]any, len(value))
		for i := range value {
			upper[i] = upperNames(value[i])
		}
		return upper
	}
	return value
}

// Whatever an endpoint answers, it is judged.
func FuzzVerdict(f *testing.F) {
	for _, body := range []string{
		``, `null`, `[]`, `{"id":"1"}`, `{"id":1,"active":"True","emails":[null,{"type":"work"}],"` + enterpriseSchema + `":{"manager":[]}}`,
		`{"schemas":["` + listSchema + `"],"totalResults":1,"Resources":[{"id":"1","members":[{"value":"2"}],"meta":{"location":"http://[::1"}}]}`,
		`{"schemas":["` + errorSchema + `"],"status":404}`, `{"totalResults":"x","Resources":[7]}`,
	} {
		f.Add(200, "application/scim+json", "/scim/Users/1", body)
	}
	f.Add(404, "text/html", "", "<html>")
	f.Add(201, "a/b; =", "::", "{}")
	var attributes []attribute
	for _, row := range userMapping() {
		attributes = append(attributes, row.attribute)
	}
	values := make([]string, len(attributes))
	values[0] = "ada@contoso.com"
	f.Fuzz(func(t *testing.T, status int, media, location, body string) {
		got := answer{status: status, header: http.Header{"Content-Type": {media}, "Location": {location}}, body: []byte(body)}
		for _, m := range []manner{lookUpManner, readManner, createManner, userManner, groupManner, deleteManner} {
			v := &verdict{}
			if answered := v.examine("http://scim.example.com/scim", m, got); answered != nil {
				if found := v.found("http://scim.example.com/scim", answered); found != nil {
					answered = found
				}
				v.identified(answered, "1")
				v.typed(attributes, answered)
				v.holds(ruleKept, attributes, values, answered, false)
				v.excluded(answered)
			} else if status == 200 && v.err() == nil && len(body) > 0 {
				t.Errorf("an answer without an object passes: %q", body)
			}
			for i, name := range v.rules {
				if rules[name].sentence == "" || v.details[i] == "" {
					t.Errorf("found %q, %q", name, v.details[i])
				}
			}
		}
	})
}
