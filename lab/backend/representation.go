package backend

import (
	"maps"
	"time"
)

// represent returns r as clients see it, with the attributes that the server
// adds: schemas, id, meta (RFC 7643 section 3), a user's groups and manager's
// name, and the names of members.
func (s *store) represent(r *record) map[string]any {
	doc := maps.Clone(r.own)
	doc["id"] = r.id
	doc["meta"] = map[string]any{
		"resourceType": r.kind.name,
		"created":      r.created.UTC().Format(time.RFC3339Nano),
		"lastModified": r.modified.UTC().Format(time.RFC3339Nano),
		"location":     s.locate(r.kind, r.id),
	}
	urns := []any{r.kind.core.urn}
	for _, extension := range r.kind.extensions {
		if doc[extension.urn] != nil {
			urns = append(urns, extension.urn)
		}
	}
	doc["schemas"] = urns
	if members := listOf(doc["members"]); members != nil {
		doc["members"] = s.named(members)
	}
	if r.kind == userType {
		if groups := s.groupsOf(r.id); groups != nil {
			doc["groups"] = groups
		}
		s.nameManager(doc)
	}
	return doc
}

// named returns members with their display names.
func (s *store) named(members []any) []any {
	out := make([]any, len(members))
	for i, item := range members {
		member := maps.Clone(objectOf(item))
		if name := s.displayName(textOf(member["value"])); name != "" {
			member["display"] = name
		}
		out[i] = member
	}
	return out
}

// groupsOf returns the groups attribute of a user (RFC 7643 section 4.1.2):
// direct memberships, in the order in which the groups were created.
func (s *store) groupsOf(id string) []any {
	var groups []any
	for _, group := range s.order[groupType] {
		if group.members[id] {
			groups = append(groups, map[string]any{
				"value":   group.id,
				"$ref":    s.locate(groupType, group.id),
				"display": group.own["displayName"],
				"type":    "direct",
			})
		}
	}
	return groups
}

// nameManager fills in manager.displayName (RFC 7643 section 4.3) if the
// manager is a user here; a manager need not be.
func (s *store) nameManager(doc map[string]any) {
	extension := objectOf(doc[enterpriseURN])
	manager := objectOf(extension["manager"])
	name := s.displayName(textOf(manager["value"]))
	if name == "" {
		return
	}
	manager = maps.Clone(manager)
	manager["displayName"] = name
	extension = maps.Clone(extension)
	extension["manager"] = manager
	doc[enterpriseURN] = extension
}

// displayName returns the display name of a resource, empty if it has none.
func (s *store) displayName(id string) string {
	r, ok := s.byID[id]
	if !ok {
		return ""
	}
	return textOf(r.own["displayName"])
}
