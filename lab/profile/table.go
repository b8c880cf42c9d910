package profile

import (
	"strings"

	"example.com/entra-scim-proxy/lab/backend"
)

// enterprise is the extension of RFC 7643 section 4.3.
const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// addressTargets are targets of Entra's default mapping:
// MicrosoftDocs/entra-docs, use-scim-to-provision-users-and-groups.md, in the
// order of the document.
var addressTargets = []string{
	`addresses[type eq "work"].formatted`, `addresses[type eq "work"].streetAddress`,
	`addresses[type eq "work"].locality`, `addresses[type eq "work"].region`,
	`addresses[type eq "work"].postalCode`, `addresses[type eq "work"].country`,
}

// normalizeAll is the setting that the README recommends.
func normalizeAll() map[string]string { return map[string]string{"NORMALIZE": "all"} }

// normalizeStrict is for a service that does what RFC 7644 section 3.5.2.3 says
// of a replace whose filter matches nothing, and so refuses what Entra sends
// (github.com/Captain-P-Goldfish/SCIM-SDK#416).
func normalizeStrict() map[string]string { return map[string]string{"NORMALIZE": "all,missing-target"} }

// strict is a service that does what RFC 7643 and RFC 7644 say and no more;
// scimmy (github.com/scimmyjs/scimmy) is the nearest in the field.
func strict() Profile {
	return Profile{
		Name:        "strict",
		Summary:     "RFC 7643 and RFC 7644 to the letter; refuses both dialects of Entra",
		Backend:     backend.Options{BasePath: "/rest/scim/v2"},
		Certificate: PrivateCA,
		Entra:       Entra{Flag: true, Scope: UsersAndGroups, GroupRename: true},
		Proxy:       normalizeStrict(),
	}
}

// lenient is a service that was made to work with Entra without a proxy.
func lenient() Profile {
	return Profile{
		Name:        "lenient",
		Summary:     "takes what Entra sends as it comes, in both dialects",
		Backend:     backend.Options{BasePath: "/scim", Lenient: true},
		Certificate: PrivateCA,
		Entra:       Entra{Scope: UsersAndGroups, GroupRename: true},
		Proxy:       map[string]string{"NORMALIZE": "none"},
	}
}

// confluence is a case that administrators bring to StackOverflow: they delete
// a user in the product, and Entra creates the user again only after it has
// seen a 404 and then a filter that finds nobody.
func confluence() Profile {
	return Profile{
		Name:        "confluence",
		Summary:     "Confluence behind a context path; people are deleted by hand and come back",
		Backend:     backend.Options{BasePath: "/confluence/rest/scim/v2", Audit: 1000},
		Certificate: PrivateCA,
		Entra:       Entra{Flag: true, Scope: UsersAndGroups, GroupRename: true},
		Proxy:       normalizeStrict(),
		Unverified: []string{
			"the base path: it depends on the app that adds SCIM",
			"when Entra looks for the user after the 404, in the same cycle or a later one: nobody has published a capture of the whole sequence",
			"that it is as strict as the RFCs",
		},
	}
}

// guard is Atlassian Guard, formerly Access: MicrosoftDocs/entra-docs,
// saas-apps/atlassian-cloud-provisioning-tutorial.md, and for the mapping
// https://support.atlassian.com/provisioning-users/docs/limitations-of-azure-ad-for-nested-groups.
func guard() Profile {
	dropped := append([]string{"name.formatted", `phoneNumbers[type eq "fax"].value`}, addressTargets...)
	return Profile{
		Name:    "guard",
		Summary: "Atlassian Guard: a public certificate, no renaming of groups, accounts of earlier sign-ins are adopted",
		Backend: backend.Options{
			BasePath: "/scim/directory/3f1c2b90-0c1d-4a52-9a3e-2d7f3b6c8e11",
			Lenient:  true,
			Habits:   []backend.Habit{backend.NoGroupRename, backend.NoEmailFilter, backend.AdoptByEmail, backend.BooleanActive},
		},
		Certificate: PublicCA,
		Entra: Entra{
			Flag:    true,
			Scope:   UsersAndGroups,
			Dropped: append(dropped, enterprise+":employeeNumber", enterprise+":manager"),
		},
		Proxy:     normalizeAll(),
		Otherwise: "a group cannot be renamed",
		Unverified: []string{
			"the status of a refused renaming",
			"that a linked account keeps its id; that a POST gets 201 and not 409 (habit " + string(backend.ConflictByEmail) + ")",
			"that it takes Entra's shapes other than a string for active",
		},
	}
}

// userSync is User & Group Sync by resolution for Jira and Confluence Data
// Center: https://wiki.resolution.de/doc/usersync/latest.
func userSync() Profile {
	return Profile{
		Name:    "user-sync",
		Summary: "User & Group Sync by resolution in Jira: its own lists of groups, deletes disable",
		Backend: backend.Options{
			BasePath: "/jira/rest/usersync/2.0/connector%20entra/scim/v2",
			Lenient:  true,
			Habits:   []backend.Habit{backend.DisableOnDelete, backend.AdoptByName},
			Audit:    1000, // its synchronization log
			GroupLists: backend.GroupLists{
				OnlyAssign:  `jira-.*|confluence-.*`,
				NeverAssign: `.*-administrators`,
				NeverRemove: `jira-core-.*`,
			},
		},
		Certificate: PrivateCA,
		Entra:       Entra{Scope: UsersAndGroups, GroupRename: true},
		Proxy:       normalizeAll(),
		Otherwise:   "its lists keep users out of a group, and who is deleted is disabled",
		Unverified: []string{
			"the base path, which the connector's settings show",
			"what SCIM answers for a group that the lists leave out",
			"that it takes Entra's shapes as they come",
		},
	}
}

// odj is the ODJ of Schwarz IT, who put a proxy in an Azure Function in front of
// it themselves: Entra knows few authorities, users only come with a group in
// scope, and nobody needs the group. Their proxy faked /Groups; so does ours.
func odj() Profile {
	return Profile{
		Name:    "odj",
		Summary: "Schwarz IT's ODJ: an internal CA, one group in scope and no /Groups, which the proxy stands in for",
		Backend: backend.Options{
			BasePath: "/scim/v2",
			Lenient:  true,
			Habits:   []backend.Habit{backend.NoGroups, backend.BooleanActive},
			Audit:    1000, // shows who asks for /Groups
		},
		Certificate: PrivateCA,
		Entra:       Entra{Flag: true, Scope: OneGroup, GroupRename: true},
		// The flag makes active a boolean, but not for on-demand provisioning.
		Proxy:     map[string]string{"NORMALIZE": "active", "GROUPS": "stub"},
		Otherwise: "a group has no members, and no name but its externalId, as the proxy answers for groups",
		Unverified: []string{
			"the base path",
			"that the service has no /Groups: it may have one that forgets, which the proxy does not ask with GROUPS=stub",
			"that it takes Entra's shapes other than a string for active",
		},
	}
}

// luxPlugins is SCIM for Jira, Confluence and Bitbucket by LuxPlugins:
// wiki-luxplugins.atlassian.net, pages 1843101697 and 1848836121. Of its two
// kinds of credential, bearer and Basic, it is set to the second here; and its
// administrators cannot edit the mapping in Entra.
func luxPlugins() Profile {
	unsupported := []string{"title", "preferredLanguage", "addresses", "phoneNumbers", "roles", enterprise}
	return Profile{
		Name:    "luxplugins",
		Summary: "LuxPlugins in Jira: HTTP Basic, an audit log, attributes it does not know are refused, so the proxy drops them",
		Backend: backend.Options{
			BasePath:    "/jira/rest/user-provisioning/1.0/scim/v2",
			Lenient:     true,
			Habits:      []backend.Habit{backend.AdoptByName},
			Unsupported: unsupported,
			Audit:       1000,
		},
		Auth:        Auth{Scheme: basic, User: "scim"},
		Certificate: PrivateCA,
		Entra:       Entra{Scope: UsersAndGroups, GroupRename: true},
		Proxy:       map[string]string{"NORMALIZE": "all", "DROP_ATTRIBUTES": strings.Join(unsupported, ",")},
		Unverified: []string{
			"which attributes are not supported, and that they are refused; here it has those of a Jira directory",
			"that it takes one kind of credential at a time",
			"that it takes Entra's shapes as they come",
		},
	}
}

// kantega is Kantega SSO Enterprise: kantega-sso.atlassian.net, pages 1868369
// (the port 5501), 1868089 (Entra) and 1633648642 (settings).
func kantega() Profile {
	return Profile{
		Name:    "kantega",
		Summary: "Kantega SSO Enterprise: plain HTTP on a port of its own, meant for a proxy in front",
		Backend: backend.Options{
			BasePath: "/plugins/servlet/no.kantega.saml/scim/v2",
			Lenient:  true,
			Habits:   []backend.Habit{backend.AdoptByName},
		},
		Certificate: PlainHTTP,
		Entra:       Entra{Scope: UsersAndGroups, GroupRename: true},
		Proxy:       map[string]string{"NORMALIZE": "all", "BACKEND_ALLOW_HTTP": "true"},
		Unverified: []string{
			"the base path",
			"that it takes Entra's shapes as they come",
		},
	}
}

// inHouse is what a company writes for itself, by the book: its own authority
// vouches for the service and for those who may call it, so there is no token
// (RFC 7644 section 2). Nobody has thought of the flag.
func inHouse() Profile {
	return Profile{
		Name:        "in-house",
		Summary:     "in-house, RFC 7643 and RFC 7644 to the letter: mutual TLS instead of a token, and no flag in Entra",
		Backend:     backend.Options{BasePath: "/identity/scim/v2"},
		Auth:        Auth{Scheme: none},
		Certificate: PrivateCA,
		Entra:       Entra{Scope: UsersAndGroups, GroupRename: true},
		Proxy:       normalizeStrict(),
	}
}

// apiKey is a service that keeps people only, and whose gateway knows callers by
// the header that Amazon's asks for:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html.
// That one refuses a key with 403; here it is 401, with which a rotation needs
// nobody's help. Bodies need no repair, so the proxy swaps the credential and does no more.
func apiKey() Profile {
	return Profile{
		Name:        "api-key",
		Summary:     "takes what Entra sends from whoever has the key for X-Api-Key; users only, no rules",
		Backend:     backend.Options{BasePath: "/api/scim/v2", Lenient: true},
		Auth:        Auth{Scheme: "header:X-Api-Key"},
		Certificate: PrivateCA,
		Entra:       Entra{Flag: true, Scope: UsersOnly, GroupRename: true},
		Proxy:       map[string]string{"NORMALIZE": "none"},
	}
}
