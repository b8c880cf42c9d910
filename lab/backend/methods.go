package backend

import "net/http"

// create is POST to a collection (RFC 7644 section 3.3).
func (b *Backend) create(c call) (answer, error) {
	own, view, err := c.representation()
	if err != nil {
		return answer{}, err
	}
	doc, err := b.store.create(c.kind, own, view)
	if err != nil {
		return answer{}, err
	}
	c.w.Header().Set("Location", b.store.locate(c.kind, textOf(doc["id"])))
	return answer{status: http.StatusCreated, body: doc}, nil
}

// get is GET of one resource (RFC 7644 section 3.4.1).
func (b *Backend) get(c call) (answer, error) {
	view, err := newProjection(c.kind, c.query)
	if err != nil {
		return answer{}, err
	}
	doc, err := b.store.get(c.kind, c.id, view)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: doc}, nil
}

// replace is PUT (RFC 7644 section 3.5.1): what the body leaves out is
// unassigned, and a resource that does not exist is not created.
func (b *Backend) replace(c call) (answer, error) {
	own, view, err := c.representation()
	if err != nil {
		return answer{}, err
	}
	doc, err := b.store.update(c.kind, c.id, view, func(map[string]any) (map[string]any, error) { return own, nil })
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: doc}, nil
}

// patch is PATCH (RFC 7644 section 3.5.2). Users are echoed and groups are
// not, because Entra wants 204 for groups.
func (b *Backend) patch(c call) (answer, error) {
	view, err := newProjection(c.kind, c.query)
	if err != nil {
		return answer{}, err
	}
	operations, err := parsePatch(c.body)
	if err != nil {
		return answer{}, err
	}
	if !c.kind.echoPatch {
		view = nothing
	}
	doc, err := b.store.update(c.kind, c.id, view, func(current map[string]any) (map[string]any, error) {
		return c.kind.patched(current, operations)
	})
	if err != nil {
		return answer{}, err
	}
	if !c.kind.echoPatch {
		return answer{status: http.StatusNoContent}, nil
	}
	return answer{status: http.StatusOK, body: doc}, nil
}

// remove is DELETE (RFC 7644 section 3.6).
func (b *Backend) remove(c call) (answer, error) {
	if err := b.store.remove(c.kind, c.id); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// representation reads and checks the resource in the body of a POST or PUT.
func (c call) representation() (map[string]any, projection, error) {
	view, err := newProjection(c.kind, c.query)
	if err != nil {
		return nil, view, err
	}
	if err := c.kind.checkSchemas(c.body); err != nil {
		return nil, view, err
	}
	own, err := c.kind.canonical(c.body)
	return own, view, err
}

// serviceProviderConfig is GET /ServiceProviderConfig (RFC 7643 section 5).
func (b *Backend) serviceProviderConfig(call) (answer, error) {
	off := map[string]any{"supported": false}
	accepted := []*scheme{tlsScheme}
	if b.credentials != nil {
		accepted = nil
		for _, c := range b.credentials {
			accepted = append(accepted, c.scheme)
		}
	}
	var schemes []map[string]any
	for _, s := range accepted {
		schemes = append(schemes, map[string]any{"type": s.kind, "name": s.name, "description": s.description})
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"schemas":               []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":                 map[string]any{"supported": true},
		"bulk":                  map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":                map[string]any{"supported": true, "maxResults": maxResults},
		"changePassword":        off,
		"sort":                  off,
		"etag":                  off,
		"authenticationSchemes": schemes,
	}}, nil
}
