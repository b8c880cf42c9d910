package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// judge says whether a body is what Entra needs; the body is nil where the
// status allows none. Status, media type and JSON were checked before.
type judge func(m *memory, body map[string]any) error

// examine keeps the id of what was made, checks what holds for every answer and
// then asks the step's judge.
func examine(m *memory, s step, got answer) error {
	m.learn(s.keep, got)
	if !slices.Contains(s.want, got.status) {
		return unexpected(s.want, got)
	}
	if s.given {
		return m.isPrepared(s, got)
	}
	var body map[string]any
	if got.status != http.StatusNoContent {
		var err error
		if body, err = decode(got); err != nil {
			return err
		}
	}
	if err := m.locations(got, body); err != nil {
		return err
	}
	if s.judge == nil {
		return nil
	}
	return s.judge(m, body)
}

// learn keeps the id in an answer that says yes, however wrong the rest of it
// is: whoever cleans up has to know what there is.
func (m *memory) learn(key string, got answer) {
	var resource struct{ ID string }
	if key == "" || got.status > 299 {
		return
	}
	if json.Unmarshal(got.body, &resource) == nil && resource.ID != "" {
		m.ids[key] = resource.ID
	}
}

// isPrepared wants of a preparation what others need: an id, and that it took.
func (m *memory) isPrepared(s step, got answer) error {
	if s.keep != "" && m.ids[s.keep] == "" {
		return errors.New("the resource has no id")
	}
	if s.judge == nil {
		return nil
	}
	body, err := jsonObject(got.body)
	if err != nil {
		return err
	}
	return s.judge(m, body)
}

// locations wants the addresses of resources where the client can reach them,
// and one of a resource that was created (RFC 7644 section 3.3). Entra is not
// known to follow them; but whoever reads the provisioning log sees them.
func (m *memory) locations(got answer, body map[string]any) error {
	header := got.header.Get("Location")
	if header == "" && got.status == http.StatusCreated {
		return errors.New("there is no Location of what was created")
	}
	meta, _ := body["meta"].(map[string]any)
	attribute, _ := meta["location"].(string)
	switch {
	case header != "" && !below(m.base, header):
		return fmt.Errorf("the Location leads elsewhere than to the tenant URL: %q", header)
	case attribute != "" && !below(m.base, attribute):
		return fmt.Errorf("the meta.location leads elsewhere than to the tenant URL: %q", attribute)
	}
	return nil
}

// below reports whether a URI reference (RFC 3986 section 4.1) leads to a
// resource of the tenant URL, which is given without a trailing slash.
func below(base, reference string) bool {
	if strings.HasPrefix(reference, base+"/") && !strings.Contains(reference, "/.") {
		return true // most do; nothing is to be resolved
	}
	from, err := url.Parse(base + "/")
	if err != nil {
		return false
	}
	resolved, err := from.Parse(reference)
	return err == nil && strings.HasPrefix(resolved.String(), base+"/")
}

func decode(got answer) (map[string]any, error) {
	if header := got.header.Get("Content-Type"); !isSCIM(header) {
		return nil, fmt.Errorf("want content type application/scim+json, got %q", header)
	}
	return jsonObject(got.body)
}

// isSCIM reports whether a Content-Type is SCIM's, whatever its parameters are.
func isSCIM(header string) bool {
	media, _, err := mime.ParseMediaType(header)
	return err == nil && media == "application/scim+json"
}

func jsonObject(text []byte) (map[string]any, error) {
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, fmt.Errorf("the body is not a JSON object: %w", err)
	}
	if body == nil {
		return nil, errors.New("the body is null, want a JSON object")
	}
	return body, nil
}

// unexpected names both statuses and what a SCIM Error says about it.
func unexpected(want []int, got answer) error {
	text := fmt.Sprintf("want %s, got %d", statuses(want), got.status)
	if got.status >= 300 && got.status < 400 {
		return errors.New(text + ", a redirect, which is not followed")
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(got.body, &problem) == nil && problem.Detail != "" {
		text += ": " + problem.Detail
	}
	return errors.New(text)
}

func statuses(list []int) string {
	names := make([]string, len(list))
	for i, status := range list {
		names[i] = strconv.Itoa(status)
	}
	return strings.Join(names, " or ")
}

// matches wants a ListResponse with no resource (an empty key) or with exactly
// the one whose id was kept under the key, and what next wants of it, unless
// that is nil.
func matches(key string, next judge) judge {
	return func(m *memory, body map[string]any) error {
		resources, total, err := pageOf(body)
		if err != nil {
			return err
		}
		want := 0
		if key != "" {
			want = 1
		}
		if len(resources) != want {
			return fmt.Errorf("want %d matches, got %d", want, len(resources))
		}
		if total != want {
			return fmt.Errorf("want totalResults %d, got %d", want, total)
		}
		if want == 0 {
			return nil
		}
		resource, _ := resources[0].(map[string]any)
		if err := hasID(resource, m.ids[key]); err != nil || next == nil {
			return err
		}
		return next(m, resource)
	}
}

// isResource wants the resource whose id was kept under the key, with the
// values that were sent. An answer without a body passes.
func isResource(key string, sent any) judge {
	return func(m *memory, body map[string]any) error {
		if body == nil {
			return nil
		}
		if err := hasID(body, m.ids[key]); err != nil {
			return err
		}
		return m.roundTrips(sent, body)
	}
}

// without wants the attribute absent, in any case of its letters, on top of
// what next wants. A group that shows members although they were excluded makes
// Entra replace the whole membership from then on:
// github.com/Infisical/infisical#6525.
func without(attribute string, next judge) judge {
	return func(m *memory, body map[string]any) error {
		for key := range body {
			if strings.EqualFold(key, attribute) {
				m.leaked = true
				return fmt.Errorf("%s is there although it was excluded", key)
			}
		}
		return next(m, body)
	}
}

// differs wants the id kept under one key to differ from the other's, on top of
// what next wants.
func differs(key, other string, next judge) judge {
	return func(m *memory, body map[string]any) error {
		if m.ids[key] == m.ids[other] {
			return errors.New("the id is that of the deleted resource, want a new one")
		}
		return next(m, body)
	}
}

// isError wants a SCIM Error that repeats the status, RFC 7644 section 3.12.
func isError(status int) judge {
	return func(_ *memory, body map[string]any) error {
		if err := hasSchema(body, errorSchema); err != nil {
			return err
		}
		if want := strconv.Itoa(status); body["status"] != want {
			return fmt.Errorf("want status %q in the SCIM Error, got %s", want, quote(body["status"]))
		}
		return nil
	}
}

func hasSchema(body map[string]any, schema string) error {
	schemas, _ := body["schemas"].([]any)
	if !slices.Contains(schemas, any(schema)) {
		return fmt.Errorf("schemas does not name %s", schema)
	}
	return nil
}

func hasID(resource map[string]any, want string) error {
	id, _ := resource["id"].(string)
	switch {
	case id == "":
		return errors.New("the resource has no id")
	case id != want:
		return errors.New("the id is that of another resource")
	}
	return nil
}

// roundTrips wants every value that was sent in the resource, unchanged. The
// members schemas and meta belong to the server.
func (m *memory) roundTrips(sent any, resource map[string]any) error {
	encoded, err := m.encode(sent)
	if err != nil {
		return err
	}
	var want map[string]any
	if err := json.Unmarshal(encoded, &want); err != nil {
		return err
	}
	for _, name := range append([]string{"schemas", "meta"}, m.lost...) {
		delete(want, name)
	}
	return holds("", want, resource)
}

// holds wants got to have what want has: each member of an object, some element
// for each element of an array, and equal scalars.
func holds(path string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if err := holds(strings.TrimPrefix(path+"."+key, "."), want[key], object[key]); err != nil {
				return err
			}
		}
	case []any:
		elements, _ := got.([]any)
		for _, element := range want {
			if !slices.ContainsFunc(elements, func(got any) bool { return holds(path, element, got) == nil }) {
				return fmt.Errorf("%s came back without the element that was sent", path)
			}
		}
	default:
		if want != got {
			return fmt.Errorf("%s was sent as %s and came back as %s", path, quote(want), quote(got))
		}
	}
	return nil
}

// quote shows the JSON type too: "False" is not false.
func quote(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}
