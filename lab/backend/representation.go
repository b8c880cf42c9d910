package backend

import (
	"maps"
	"time"
)

// shownAs returns view's part of r.
func (s *store) shownAs(r *record, view projection) map[string]any {
	return view.of(s.represent(r, view))
}

// represent returns r as clients see it, with the attributes that the server
// adds: schemas, id, meta (RFC 7643 section 3), members, a user's groups and
// manager's name. Members and groups that view leaves out are not there.
func (s *store) represent(r *record, view projection) map[string]any {
	doc := make(map[string]any, len(r.own)+5) // with what is added below
	maps.Copy(doc, r.own)
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
	if len(r.members) > 0 && view.wants("members") {
		doc["members"] = s.shown(r.members)
	}
	if r.kind == userType {
		if len(r.groups) > 0 && view.wants("groups") {
			doc["groups"] = s.groupsOf(r)
		}
		s.nameManager(doc)
	}
	return doc
}

// shown returns the members attribute of a group (RFC 7643 section 4.2).
func (s *store) shown(members []*membership) []any {
	out := make([]any, len(members))
	for i, m := range members {
		member := map[string]any{
			"value": m.member.id, "$ref": s.locate(m.member.kind, m.member.id), "type": m.member.kind.name}
		if name := textOf(m.member.own["displayName"]); name != "" {
			member["display"] = name
		}
		out[i] = member
	}
	return out
}

// groupsOf returns the groups attribute of a user (RFC 7643 section 4.1.2):
// direct memberships, in the order in which the groups were created.
func (s *store) groupsOf(r *record) []any {
	out := make([]any, len(r.groups))
	for i, m := range r.groups {
		out[i] = map[string]any{
			"value":   m.group.id,
			"$ref":    s.locate(groupType, m.group.id),
			"display": m.group.own["displayName"],
			"type":    "direct",
		}
	}
	return out
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
