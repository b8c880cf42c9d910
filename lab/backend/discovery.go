package backend

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	schemaURN       = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	resourceTypeURN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
)

// definitions are the endpoints of discovery that list something, and what
// they list.
var definitions = map[string]func(*Backend) []any{
	"Schemas":       (*Backend).schemas,
	"ResourceTypes": (*Backend).resourceTypes,
}

// discovery finds the endpoint of RFC 7644 section 4 that path, still escaped,
// names; nil if it names none.
func (c *call) discovery(path string) methods {
	if path == "/ServiceProviderConfig" {
		return methods{http.MethodGet: unfiltered((*Backend).serviceProviderConfig)}
	}
	endpoint, id, single := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	list, ok := definitions[endpoint]
	if !ok {
		return nil
	}
	return methods{http.MethodGet: unfiltered(func(b *Backend, _ call) (answer, error) {
		all := list(b)
		if single {
			return only(all, id)
		}
		return answer{status: http.StatusOK, body: map[string]any{
			"schemas":      []string{listURN},
			"totalResults": len(all),
			"startIndex":   1,
			"itemsPerPage": len(all),
			"Resources":    all,
		}}, nil
	})}
}

// unfiltered refuses a filter, which discovery does not apply and the client
// must not believe applied (RFC 7644 section 4). Other parameters are ignored
// there.
func unfiltered(serve func(*Backend, call) (answer, error)) func(*Backend, call) (answer, error) {
	return func(b *Backend, c call) (answer, error) {
		if c.query.Has("filter") {
			return answer{}, &scimError{status: http.StatusForbidden, detail: "this endpoint does not filter"}
		}
		return serve(b, c)
	}
}

// only answers with the definition that has the id, still escaped.
func only(all []any, id string) (answer, error) {
	name, err := url.PathUnescape(id)
	at := slices.IndexFunc(all, func(one any) bool { return sameName(textOf(objectOf(one)["id"]), name) })
	if err != nil || at < 0 {
		return answer{}, &scimError{status: http.StatusNotFound, detail: "there is no such definition"}
	}
	return answer{status: http.StatusOK, body: all[at]}, nil
}

// resourceTypes returns the definitions of RFC 7643 section 6.
func (b *Backend) resourceTypes() []any {
	var all []any
	for _, kind := range b.kinds {
		one := b.store.definition(resourceTypeURN, "ResourceType", kind.name)
		one["name"], one["endpoint"], one["schema"] = kind.name, "/"+kind.endpoint, kind.core.urn
		one["description"] = kind.core.description
		var extensions []any
		for _, extension := range kind.extensions {
			extensions = append(extensions, map[string]any{"schema": extension.urn, "required": false})
		}
		if extensions != nil {
			one["schemaExtensions"] = extensions
		}
		all = append(all, one)
	}
	return all
}

// schemas returns the definitions of RFC 7643 section 7. The attributes that
// every resource has are in none (section 3).
func (b *Backend) schemas() []any {
	var all []any
	for _, kind := range b.kinds {
		for _, from := range append([]*schema{kind.core}, kind.extensions...) {
			one := b.store.definition(schemaURN, "Schema", from.urn)
			one["name"], one["description"] = from.name, from.description
			var attributes []any
			for _, a := range from.attributes {
				if find(commonAttributes(), a.name) == nil {
					attributes = append(attributes, a.definition(from == kind.core && a.name == kind.unique))
				}
			}
			one["attributes"] = attributes
			all = append(all, one)
		}
	}
	return all
}

// definition is what all definitions have.
func (s *store) definition(urn, name, id string) map[string]any {
	return map[string]any{
		"schemas": []string{urn},
		"id":      id,
		"meta":    map[string]any{"resourceType": name, "location": s.base + "/" + name + "s/" + id},
	}
}

// typeNames and accessNames are how RFC 7643 section 7 calls them.
var (
	typeNames = map[dataType]string{typeString: "string", typeBoolean: "boolean",
		typeDateTime: "dateTime", typeComplex: "complex"}
	accessNames = map[access]string{readWrite: "readWrite", readOnly: "readOnly", immutable: "immutable"}
)

// definition describes a (RFC 7643 section 7). What an attribute means is left
// to the standard: there are no descriptions.
func (a *attribute) definition(unique bool) map[string]any {
	one := map[string]any{
		"name":        a.name,
		"type":        typeNames[a.dataType],
		"multiValued": a.multi,
		"required":    a.required,
		"mutability":  accessNames[a.access],
		"returned":    "default",
	}
	switch a.dataType {
	case typeString:
		one["caseExact"], one["uniqueness"] = a.caseExact, "none"
		if unique {
			one["uniqueness"] = "server"
		}
		if a.refers != nil {
			one["type"], one["referenceTypes"] = "reference", a.refers
		}
	case typeComplex:
		var sub []any
		for _, inner := range a.sub {
			sub = append(sub, inner.definition(false))
		}
		one["subAttributes"] = sub
	}
	return one
}
