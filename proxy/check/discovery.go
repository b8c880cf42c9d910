package check

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
)

// discoverySteps read what the backend says of itself (RFC 7644 section 4). Entra
// does not ask for it unless the application is from its gallery, so that nothing
// there is more than a warning.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
func (c *check) discoverySteps() (steps []step) {
	for _, endpoint := range []struct {
		name  string
		judge func(message) Finding
	}{
		{"ServiceProviderConfig", serviceProviderConfig},
		{"ResourceTypes", c.resourceTypes},
		{"Schemas", schemas},
	} {
		steps = append(steps, step{
			name: endpoint.name, needs: []string{"credential"}, limit: callLimit,
			run: saying("as RFC 7643 has it", func(ctx context.Context) Finding { return c.discover(ctx, endpoint.name, endpoint.judge) }),
		})
	}
	return steps
}

// unasked ends what is found wrong with discovery.
const unasked = "; Entra does not ask for it"

// discover reads one of the endpoints.
func (c *check) discover(ctx context.Context, name string, judge func(message) Finding) Finding {
	got, bad, ok := c.call(ctx, http.MethodGet, "/"+name, nil)
	switch {
	case !ok && bad.Status == Skip:
		return bad
	case !ok:
		bad.Status, bad.Found = Warn, bad.Found+unasked
		return bad
	}
	wrong := answered(Warn, "it", http.StatusOK).wrong(got)
	switch {
	case isAbsent(got.status):
		return Finding{Status: Pass, Found: "the backend has none" + unasked}
	case wrong != "":
		return Finding{Status: Warn, Found: wrong + unasked}
	case got.cut:
		return Finding{Status: Warn, Found: "it is larger than 512 KiB, and was not judged" + unasked}
	}
	m, _ := readMessage(got.body)
	return judge(m)
}

// serviceProviderConfig looks for what Entra cannot do without (RFC 7643 section 5).
func serviceProviderConfig(config message) Finding {
	var findings []Finding
	for _, feature := range []struct{ name, found, remedy string }{
		{"patch", "the backend says that it takes no PATCH, and Entra changes users and groups by PATCH only",
			"see what becomes of a PATCH with --write, and turn PATCH on at the backend"},
		{"filter", "the backend says that it has no filters, and Entra looks for users and groups by filter only",
			"turn filters on at the backend, unless the other steps show that there are some"},
	} {
		if config.object(feature.name).get("supported") == false {
			findings = append(findings, Finding{Status: Warn, Found: feature.found, Remedy: feature.remedy})
		}
	}
	return merged(findings)
}

// resourceTypes looks for the endpoints that Entra calls (RFC 7643 section 6).
func (c *check) resourceTypes(list message) Finding {
	types := list.objects("Resources")
	has := func(name, endpoint string) (named, there bool) {
		for _, one := range types {
			is := strings.EqualFold(one.text("name"), name) || strings.EqualFold(one.id(), name)
			named = named || is
			there = there || strings.EqualFold(path.Base(one.text("endpoint")), endpoint)
		}
		return named, there
	}
	var findings []Finding
	warn := func(found, remedy string) {
		findings = append(findings, Finding{Status: Warn, Found: found, Remedy: remedy})
	}
	switch named, there := has("User", "Users"); {
	case named && !there:
		warn("users are under another endpoint than /Users, which is what Entra calls", "have the backend answer at /Users")
	case !there:
		warn("there is no User among them", "see whether BACKEND_URL leads to the service that keeps users")
	}
	switch named, there := has("Group", "Groups"); {
	case c.StubGroups || there:
	case named:
		warn("groups are under another endpoint than /Groups, which is what Entra calls", "have the backend answer at /Groups, or set GROUPS=stub")
	default:
		warn("there is no Group among them", "set GROUPS=stub if the step \"groups\" does not pass either")
	}
	return merged(findings)
}

// schemas looks for that of users (RFC 7643 section 7).
func schemas(list message) Finding {
	if slices.ContainsFunc(list.objects("Resources"), func(schema message) bool { return strings.EqualFold(schema.id(), userSchema) }) {
		return Finding{Status: Pass}
	}
	return Finding{Status: Warn, Found: "the schema of users is not among them" + unasked}
}
