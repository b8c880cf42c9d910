package entra

import (
	"net/http"
	"slices"
)

// The paths of the default attribute mapping.
const (
	workEmail      = `emails[type eq "work"].value`
	workPhone      = `phoneNumbers[type eq "work"].value`
	mobilePhone    = `phoneNumbers[type eq "mobile"].value`
	department     = enterpriseSchema + ":department"
	employeeNumber = enterpriseSchema + ":employeeNumber"
	manager        = enterpriseSchema + ":manager"
)

// userSteps ends with the user created, updated and active. Entra reads before
// it writes, so each change is followed by a read that shows whether the one
// before it took: a PATCH may be answered by 204.
func (c *Client) userSteps(ada user) []step {
	byName := equals("", "userName", ada.UserName)
	steps := []step{
		{
			name: lookUpUser, after: []string{probeUsers}, method: http.MethodGet, path: "/Users", query: byName,
			want: wantOK, judge: matches("", nil),
		},
		create(createUser, lookUpUser, "/Users", "user", ada),
		{
			name: findUser, after: []string{createUser}, method: http.MethodGet, path: "/Users", query: byName,
			want: wantOK, judge: matches("user", isResource("user", ada)),
		},
		readAs(readUser, createUser, ada),
	}

	updated, updates := ada.renamed()
	steps = append(steps, c.changeSteps(updateUser, readUser, "read updated user", updated, updates...)...)
	complete, additions := updated.completed()
	steps = append(steps, c.changeSteps(completeUser, readUser, "read completed user", complete, additions...)...)
	now := complete.managedBy("manager")
	steps = append(steps, c.changeSteps(setManager, createManager, "read user with manager", now,
		change{path: manager, added: true, value: "{manager}"})...)
	now = now.managedBy("colleague")
	now.Title = "Senior Analyst"
	// Two attributes, so that the compliant dialect sends a path-less value
	// with the manager in it.
	steps = append(steps, c.changeSteps(changeManager, setManager, "read user with new manager", now,
		change{path: "title", value: now.Title}, change{path: manager, value: "{colleague}"})...)
	if c.options.AppRoles {
		role := appRole{ID: newGUID(), Value: "Auditor", DisplayName: "Auditor of engines"}
		now.Roles = []appRole{{Value: role.Value, Display: role.DisplayName}}
		steps = append(steps, c.changeSteps(assignRole, readUser, "read user with app role", now,
			change{path: "roles", added: true, value: c.tenant.dialect.roles(role)})...)
	}
	return append(steps, c.activeSteps()...)
}

// activeSteps takes the user out of scope and back. What else the user is does
// not matter here.
func (c *Client) activeSteps() []step {
	state := func(active bool) (any, change) {
		return map[string]bool{"active": active}, change{path: "active", value: c.tenant.dialect.active(active)}
	}
	disabled, disabling := state(false)
	restored, restoring := state(true)
	return slices.Concat(
		c.changeSteps(disableUser, readUser, "read disabled user", disabled, disabling),
		c.changeSteps(restoreUser, disableUser, "read restored user", restored, restoring))
}

// changeSteps is a PATCH of the user, and the read that follows it.
func (c *Client) changeSteps(name, after, read string, now any, changes ...change) []step {
	return []step{
		{
			name: name, after: []string{createUser, after}, method: http.MethodPatch, path: "/Users/{user}",
			body: c.patchWith(changes...), want: wantUserPatched, judge: isResource("user", now),
		},
		readAs(read, name, now),
	}
}

func readAs(name, after string, now any) step {
	return step{
		name: name, after: []string{after}, method: http.MethodGet, path: "/Users/{user}",
		want: wantOK, judge: isResource("user", now),
	}
}

// renamed is the user with other values of what there was, and the changes that
// lead there.
func (u user) renamed() (user, []change) {
	u.DisplayName = "Augusta Example"
	u.Name = name{Formatted: u.DisplayName, FamilyName: u.Name.FamilyName, GivenName: "Augusta"}
	u.Emails = []value{{Primary: true, Type: "work", Value: "augusta@contoso.com"}}
	u.Enterprise = &enterprise{Department: "Analysis"}
	return u, []change{
		{path: "displayName", value: u.DisplayName},
		{path: workEmail, value: u.Emails[0].Value},
		{path: "name.givenName", value: u.Name.GivenName},
		{path: "name.formatted", value: u.Name.Formatted},
		{path: department, value: u.Enterprise.Department},
	}
}

// completed is the user with another phone number, and values where there were
// none, and the changes that lead there. The mobile phone is an element of
// phoneNumbers that is missing.
func (u user) completed() (user, []change) {
	work, mobile := value{Type: "work", Value: "+1 555 0199"}, value{Type: "mobile", Value: "+1 555 0101"}
	u.PhoneNumbers = []value{work, mobile}
	u.PreferredLanguage = "en-GB"
	extension := *u.Enterprise
	extension.EmployeeNumber = "1815"
	u.Enterprise = &extension
	return u, []change{
		{path: "preferredLanguage", added: true, value: u.PreferredLanguage},
		{path: workPhone, value: work.Value},
		{path: mobilePhone, added: true, value: mobile.Value},
		{path: employeeNumber, added: true, value: extension.EmployeeNumber},
	}
}

// managedBy is the user with the manager whose id is kept under the key.
func (u user) managedBy(key string) user {
	extension := *u.Enterprise
	extension.Manager = &reference{Value: "{" + key + "}"}
	u.Enterprise = &extension
	return u
}
