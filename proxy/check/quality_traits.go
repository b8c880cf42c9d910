package check

import (
	"fmt"
	"mime"
	"slices"
	"strings"

	"example.com/entra-scim-proxy/proxy/scim"
)

// mediaTypes is how SCIM is labelled (RFC 7644 section 3.1).
var mediaTypes = []trait{{status: Warn, remedy: "have the backend label its answers application/scim+json", wrong: func(got answer) string {
	name, _, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	switch {
	case name == "application/scim+json":
		return ""
	case name == "application/json":
		return "answers come as application/json instead of application/scim+json"
	case name == "":
		return "answers come without a media type"
	}
	return "answers come under another media type than application/scim+json"
}}}

// asListed is the remedy for lists.
const asListed = "have the backend answer lists as RFC 7644 section 3.4.2 has it"

// onMessage makes of a judgement on JSON objects one on answers.
func onMessage(wrong func(message) string) func(answer) string {
	return func(got answer) string {
		m, ok := readMessage(got.body)
		if !ok {
			return "the answer is not a JSON object"
		}
		return wrong(m)
	}
}

// listTraits are those of a ListResponse (RFC 7644 section 3.4.2).
func listTraits(what string) []trait {
	return []trait{
		{status: Warn, remedy: asListed, wrong: onMessage(func(list message) string {
			if list.hasSchema(listSchema) {
				return ""
			}
			return what + " lacks the schema of a ListResponse"
		})},
		{status: Fail, remedy: asListed, wrong: onMessage(func(list message) string { return wrongTotal(what, list) })},
		{status: Fail, remedy: asListed, wrong: onMessage(func(list message) string {
			value := list.get("Resources")
			if _, isList := value.([]any); isList || value == nil && isZero(list) {
				return ""
			}
			return what + " has Resources that are no array"
		})},
		{status: Warn, remedy: asListed, wrong: onMessage(func(list message) string {
			if value, ok := list.find("Resources"); isZero(list) && value == nil {
				return map[bool]string{true: "an empty list has null for Resources", false: "an empty list has no Resources"}[ok]
			}
			return ""
		})},
		{status: Warn, remedy: asListed, wrong: onMessage(func(list message) string { return wrongPage(what, list) })},
	}
}

func isZero(list message) bool {
	total, ok := list.integer("totalResults")
	return ok && total == 0
}

func wrongTotal(what string, list message) string {
	total, ok := list.integer("totalResults")
	switch {
	case !ok:
		return what + " has no integer in totalResults"
	case total < int64(len(list.array("Resources"))):
		return what + " holds more than totalResults says"
	}
	return ""
}

func wrongPage(what string, list message) string {
	for _, name := range []string{"startIndex", "itemsPerPage"} {
		value, ok := list.find(name)
		if n, isInteger := list.integer(name); ok && value != nil && (!isInteger || n < 0) {
			return fmt.Sprintf("%s has no sensible number in %s", what, name)
		}
	}
	return ""
}

// pageTrait is that a page has no more resources than were asked for.
var pageTrait = trait{
	status: Warn, remedy: "have the backend honour count and startIndex: Entra's account discovery reads pages",
	wrong: onMessage(func(list message) string {
		if len(list.array("Resources")) > pageSize {
			return "a page has more resources than were asked for"
		}
		return ""
	}),
}

// errorTraits are those of a SCIM Error (RFC 7644 section 3.12).
var errorTraits = []trait{{
	status: Warn, remedy: "have the backend answer errors as RFC 7644 section 3.12 has it",
	wrong: func(got answer) string {
		m, ok := readMessage(got.body)
		switch {
		case firstByte(got.body) == '<':
			return "an error comes as a page for people (HTML)"
		case !ok || !m.hasSchema(errorSchema):
			return "an error comes without a SCIM Error"
		}
		return ""
	},
}}

// membersTrait is that members are left out of a group, or of those in a list.
// Entra replaces the members of a group otherwise.
// https://github.com/Infisical/infisical/pull/6525
var membersTrait = trait{
	status: Fail, remedy: "have the backend honour excludedAttributes (RFC 7644 section 3.9)",
	wrong: onMessage(func(m message) string {
		if slices.ContainsFunc(append(m.objects("Resources"), m), func(group message) bool {
			_, shown := group.find("members")
			return shown
		}) {
			return "groups show their members though Entra asks to leave them out, and so it would replace all members instead of adding one"
		}
		return ""
	}),
}

// asResource is the remedy for resources.
const asResource = "have the backend answer resources as RFC 7643 has them"

// resourceTraits are those of a resource.
func (c *check) resourceTraits(what, schema, name string) []trait {
	return []trait{
		{status: Fail, remedy: asResource, wrong: onMessage(func(resource message) string {
			if resource.text("id") == "" {
				return what + " has no string for an id"
			}
			return ""
		})},
		{status: Fail, remedy: asResource, wrong: onMessage(func(resource message) string {
			if resource.text(name) == "" {
				return fmt.Sprintf("%s has no string for %s", what, name)
			}
			return ""
		})},
		{status: Warn, remedy: asResource, wrong: onMessage(func(resource message) string {
			if resource.hasSchema(schema) {
				return ""
			}
			return what + " does not name its schema"
		})},
		{status: Warn, remedy: asResource, wrong: onMessage(func(resource message) string {
			if resource.object("meta").text("location") == "" {
				return what + " has no meta.location"
			}
			return ""
		})},
		{status: Warn, doubtful: c.HasPublicURL, remedy: "have the backend give its public URL in meta.location", wrong: onMessage(c.wrongLocation)},
	}
}

// wrongLocation says of a location that the rule [scim.Location] maps unless it is
// the public one, as it may be where BACKEND_HOST is the public host.
func (c *check) wrongLocation(resource message) string {
	location := resource.object("meta").text("location")
	if location == "" || scim.NewLocations(c.Backend, c.Host, "https://proxy.invalid").Map(location) == location {
		return ""
	}
	if strings.Contains(location, "://") {
		return "meta.location leads to the backend itself, which Entra cannot reach"
	}
	return "meta.location is relative"
}

// userTraits are those of a user, in the types of RFC 7643 section 4. Entra
// refuses to read others.
// https://github.com/grokability/snipe-it/issues/14138
var userTraits = []trait{
	{status: Fail, remedy: asResource, wrong: onMessage(func(user message) string {
		switch user.get("active").(type) {
		case nil, bool:
			return ""
		}
		return "active is no boolean"
	})},
	{status: Fail, remedy: asResource, wrong: onMessage(func(user message) string {
		switch user.object(enterpriseSchema).get("manager").(type) {
		case nil, map[string]any:
			return ""
		}
		return "the manager is no object"
	})},
	{status: Fail, remedy: asResource, wrong: onMessage(func(user message) string {
		for _, name := range []string{"emails", "phoneNumbers", "addresses", "roles", "groups"} {
			switch user.get(name).(type) {
			case nil, []any:
			default:
				return name + " are no array"
			}
		}
		return ""
	})},
	{status: Fail, remedy: asResource, wrong: onMessage(func(user message) string {
		switch user.get("name").(type) {
		case nil, map[string]any:
			return ""
		}
		return "name is no object"
	})},
}
