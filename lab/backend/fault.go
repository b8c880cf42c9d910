package backend

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// Fault is something that backends in the field get wrong in their answers.
// What they do to their store is right all the same. Two more need no fault:
// without a PublicURL locations are relative, and with the backend's own
// address they lead inside.
type Fault string

// The faults.
const (
	// MembersLeaked shows the members that excludedAttributes excludes (RFC 7644
	// section 3.9): github.com/grokability/snipe-it#19096.
	MembersLeaked Fault = "members leaked"
	// FilterNotFound answers 404 to a filter that nothing matches, instead of an
	// empty list (RFC 7644 section 3.4.2).
	FilterNotFound Fault = "filter not found"
	// ResourcesNull writes an empty list as null.
	ResourcesNull Fault = "resources null"
	// PlainJSON answers with application/json (RFC 7644 section 3.1).
	PlainJSON Fault = "plain JSON"
	// ManagerString shows the enterprise manager as a string (RFC 7643 section
	// 4.3): github.com/Budibase/budibase#15369.
	ManagerString Fault = "manager string"
	// ActiveString shows active as "True" or "False" (RFC 7643 section 4.1.1).
	ActiveString Fault = "active string"
	// ErrorPages shows errors as HTML (RFC 7644 section 3.12):
	// github.com/grokability/snipe-it#11094.
	ErrorPages Fault = "error pages"
	// NoLocation says nowhere where a resource is (RFC 7644 section 3.3).
	NoLocation Fault = "no location"
)

// mistake is how a fault comes about; either part may be nil.
type mistake struct {
	// misread makes another request of one before it is served.
	misread func(http.Request) *http.Request
	// spoil changes the answer, which may share values with the store.
	spoil func(*http.Request, http.Header, answer) answer
}

var faults = map[Fault]mistake{
	MembersLeaked: {misread: func(r http.Request) *http.Request {
		target, query := *r.URL, r.URL.Query()
		query.Del("excludedAttributes")
		target.RawQuery = query.Encode()
		r.URL = &target
		return &r
	}},
	FilterNotFound: {spoil: func(r *http.Request, _ http.Header, a answer) answer {
		if objectOf(a.body)["totalResults"] == 0 && r.URL.Query().Has("filter") {
			return errorAnswer(&scimError{status: http.StatusNotFound, detail: "nothing matches the filter"})
		}
		return a
	}},
	ResourcesNull: {spoil: func(_ *http.Request, _ http.Header, a answer) answer {
		if list := objectOf(a.body); list["totalResults"] == 0 {
			a.body = with(list, "Resources", nil)
		}
		return a
	}},
	PlainJSON: {spoil: func(_ *http.Request, _ http.Header, a answer) answer {
		a.media = "application/json"
		return a
	}},
	ManagerString: {spoil: inResources(func(resource map[string]any) map[string]any {
		extension := objectOf(resource[enterpriseURN])
		manager := objectOf(extension["manager"])
		if manager == nil {
			return resource
		}
		return with(resource, enterpriseURN, with(extension, "manager", manager["value"]))
	})},
	ActiveString: {spoil: inResources(func(resource map[string]any) map[string]any {
		if resource["active"] == nil {
			return resource
		}
		return with(resource, "active", map[any]string{true: "True", false: "False"}[resource["active"]])
	})},
	ErrorPages: {spoil: func(_ *http.Request, _ http.Header, a answer) answer {
		if a.status >= http.StatusBadRequest {
			a.body = page("<!doctype html><html><title>Oops</title><p>Something went wrong.</html>")
		}
		return a
	}},
	NoLocation: {spoil: func(r *http.Request, header http.Header, a answer) answer {
		header.Del("Location")
		return inResources(func(resource map[string]any) map[string]any {
			meta := maps.Clone(objectOf(resource["meta"]))
			delete(meta, "location")
			return with(resource, "meta", meta)
		})(r, header, a)
	}},
}

// mistakesOf returns how the faults come about, or an error that names one
// that is none.
func mistakesOf(names []Fault) ([]mistake, error) {
	var list []mistake
	for _, name := range names {
		found, ok := faults[name]
		if !ok {
			return nil, fmt.Errorf("backend: Faults holds %q, which is none", name)
		}
		list = append(list, found)
	}
	return list, nil
}

// inResources spoils the resource in an answer, or all of a list.
func inResources(spoil func(map[string]any) map[string]any) func(*http.Request, http.Header, answer) answer {
	return func(_ *http.Request, _ http.Header, a answer) answer {
		body := objectOf(a.body)
		if body["id"] != nil {
			a.body = spoil(body)
			return a
		}
		list := slices.Clone(listOf(body["Resources"]))
		for i, resource := range list {
			list[i] = spoil(objectOf(resource))
		}
		if len(list) > 0 {
			a.body = with(body, "Resources", list)
		}
		return a
	}
}

// with is a copy of an object with another value of one member.
func with(object map[string]any, name string, value any) map[string]any {
	object = maps.Clone(object)
	object[name] = value
	return object
}

// AllFaults lists the faults, in the order of their names.
func AllFaults() []Fault { return slices.Sorted(maps.Keys(faults)) }
