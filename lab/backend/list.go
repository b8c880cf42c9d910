package backend

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxResults is the largest page, and the page when no count is given.
const maxResults = 1000

// list is GET of a collection (RFC 7644 section 3.4.2).
func (b *Backend) list(c call) (answer, error) {
	view, err := newProjection(c.kind, c.query)
	if err != nil {
		return answer{}, err
	}
	start, err := number(c.query, "startIndex", 1)
	if err != nil {
		return answer{}, err
	}
	count, err := number(c.query, "count", maxResults)
	if err != nil {
		return answer{}, err
	}
	var q query
	if c.query.Has("filter") {
		if q, err = compileQuery(c.kind, c.query.Get("filter")); err != nil {
			return answer{}, err
		}
	}
	// RFC 7644 section 3.4.2.4: an index below 1 means 1, a count below 0
	// means 0.
	start, count = max(start, 1), min(max(count, 0), maxResults)
	resources, total := b.store.list(c.kind, q, view, start-1, count)
	return answer{status: http.StatusOK, body: map[string]any{
		"schemas":      []string{listURN},
		"totalResults": total,
		"startIndex":   start,
		"itemsPerPage": len(resources),
		"Resources":    resources,
	}}, nil
}

// number reads an integer query parameter.
func number(query url.Values, name string, absent int) (int, error) {
	if !query.Has(name) {
		return absent, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil {
		return 0, refuse(invalidValue, "%s must be an integer", name)
	}
	return n, nil
}

// projection is the choice of attributes to answer with (RFC 7644 section
// 3.9). The zero value is all of them.
type projection struct {
	// paths are in the schema's spelling: "name.givenName", the URN of an
	// extension, or an attribute qualified with it. nil means no choice.
	paths map[string]bool
	// exclude turns the choice round.
	exclude bool
}

// nothing is the choice of what is always there and no more.
var nothing = projection{paths: map[string]bool{}}

// always are the attributes that no projection leaves out (RFC 7643 section 3).
var always = map[string]bool{"schemas": true, "id": true}

// newProjection reads attributes and excludedAttributes. Names that the
// schema does not have select nothing.
func newProjection(kind *resourceType, query url.Values) (projection, error) {
	include, exclude := query.Get("attributes"), query.Get("excludedAttributes")
	if include != "" && exclude != "" {
		return projection{}, refuse(invalidValue, "attributes and excludedAttributes are mutually exclusive")
	}
	if include+exclude == "" {
		return projection{}, nil
	}
	p := projection{paths: map[string]bool{}, exclude: exclude != ""}
	for name := range strings.SplitSeq(include+exclude, ",") {
		name = strings.TrimSpace(name)
		if extension := kind.extension(name); extension != nil {
			p.paths[extension.urn] = true
			continue
		}
		path, ok := parseAttrPath(name)
		if !ok {
			return projection{}, refuse(invalidValue, "%q is not the name of an attribute", name)
		}
		if extension, attr, sub, ok := kind.resolve(path); ok {
			p.paths[canonicalPath(extension, attr, sub)] = true
		}
	}
	return p, nil
}

// canonicalPath is the key of an attribute in projection.paths.
func canonicalPath(extension *schema, attr, sub *attribute) string {
	path := attr.name
	if extension != nil {
		path = extension.urn + ":" + path
	}
	if sub != nil {
		path += "." + sub.name
	}
	return path
}

// wants reports whether any of the attribute called name, of the core schema,
// is chosen.
func (p projection) wants(name string) bool {
	if p.paths[name] {
		return !p.exclude
	}
	if p.paths == nil || p.exclude {
		return true
	}
	for path := range p.paths {
		if strings.HasPrefix(path, name+".") {
			return true
		}
	}
	return false
}

// of returns the chosen part of doc, which it does not change.
func (p projection) of(doc map[string]any) map[string]any {
	if p.paths == nil {
		return doc
	}
	out := map[string]any{}
	for name, value := range doc {
		separator := "."
		if strings.HasPrefix(name, "urn:") {
			separator = ":"
		}
		if always[name] {
			out[name] = value
		} else if part := p.part(name, separator, value); part != nil {
			out[name] = part
		}
	}
	return out
}

// part returns the chosen part of the value at path, nil if that is nothing.
func (p projection) part(path, separator string, value any) any {
	if p.paths[path] {
		if p.exclude {
			return nil
		}
		return value
	}
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range value {
			if part := p.part(path+separator+name, ".", inner); part != nil {
				out[name] = part
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		var out []any
		for _, element := range value {
			if part := p.part(path, separator, element); part != nil {
				out = append(out, part)
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	}
	if p.exclude {
		return value
	}
	return nil
}
