package entra

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// isDuplicate wants the SCIM Error of RFC 7644 section 3.3.
func isDuplicate(m *memory, body map[string]any) error {
	if err := isError(http.StatusConflict)(m, body); err != nil {
		return err
	}
	if body["scimType"] != "uniqueness" {
		return fmt.Errorf("want scimType \"uniqueness\" in the SCIM Error, got %s", quote(body["scimType"]))
	}
	return nil
}

// hasMembers wants the group, under its key team, with exactly the members whose
// ids were kept under the keys; that there are none may be told by an empty
// array, or by the lack of one (RFC 7643 section 2.5).
func hasMembers(keys []string) judge {
	return func(m *memory, body map[string]any) error {
		if err := hasID(body, m.ids[team]); err != nil {
			return err
		}
		elements, ok := body["members"].([]any)
		if !ok && body["members"] != nil {
			return errors.New("members is no array")
		}
		var got, want []string
		for _, element := range elements {
			member, _ := element.(map[string]any)
			id, _ := member["value"].(string)
			got = append(got, id)
		}
		for _, key := range keys {
			want = append(want, m.ids[key])
			if !slices.Contains(got, m.ids[key]) {
				return fmt.Errorf("%q is not among the %d members", key, len(got))
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("want %d members, got %d", len(want), len(got))
		}
		return nil
	}
}

// pageSize is the count that the suite asks for, and the key under which a
// start index beyond the last page is kept.
const (
	pageSize   = 5
	beyondLast = "beyond"
)

// isPage wants a page of a list that is longer than one, with nobody on it who
// was shown before (RFC 7644 section 3.4.2.4).
func isPage(start int, shown map[string]bool) judge {
	return func(m *memory, body map[string]any) error {
		resources, total, err := pageOf(body)
		if err != nil {
			return err
		}
		switch {
		case total <= pageSize:
			return fmt.Errorf("want totalResults above %d, got %d", pageSize, total)
		case len(resources) == 0:
			return errors.New("the page is empty")
		case len(resources) > pageSize:
			return fmt.Errorf("want %d resources at most, got %d", pageSize, len(resources))
		case body["startIndex"] != float64(start):
			return fmt.Errorf("want startIndex %d, got %s", start, quote(body["startIndex"]))
		case body["itemsPerPage"] != float64(len(resources)):
			return fmt.Errorf("itemsPerPage is %s for %d resources", quote(body["itemsPerPage"]), len(resources))
		}
		for _, resource := range resources {
			fields, _ := resource.(map[string]any)
			id, _ := fields["id"].(string)
			switch {
			case id == "":
				return errors.New("a resource has no id")
			case shown[id]:
				return errors.New("a resource is shown twice")
			}
			shown[id] = true
		}
		// Far enough for others to make resources meanwhile.
		m.ids[beyondLast] = strconv.Itoa(total + 1000)
		return nil
	}
}

// isPastEnd wants an empty page.
func isPastEnd(_ *memory, body map[string]any) error {
	resources, _, err := pageOf(body)
	if err == nil && len(resources) > 0 {
		err = fmt.Errorf("want no resources beyond the last, got %d", len(resources))
	}
	return err
}

// pageOf takes a ListResponse apart.
func pageOf(body map[string]any) (resources []any, total int, err error) {
	if err := hasSchema(body, listSchema); err != nil {
		return nil, 0, err
	}
	resources, ok := body["Resources"].([]any)
	if !ok {
		return nil, 0, errors.New("the list has no array Resources")
	}
	number, ok := body["totalResults"].(float64)
	if !ok {
		return nil, 0, fmt.Errorf("totalResults is %s, want a number", quote(body["totalResults"]))
	}
	return resources, int(number), nil
}

// isSchemas wants a ListResponse with the schemas of users and groups, spelled
// in camel case and without nulls:
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
func isSchemas(_ *memory, body map[string]any) error {
	resources, total, err := pageOf(body)
	if err != nil {
		return err
	}
	if total != len(resources) {
		return fmt.Errorf("want totalResults %d, got %d", len(resources), total)
	}
	missing := []string{userSchema, groupSchema}
	for _, resource := range resources {
		schema, _ := resource.(map[string]any)
		id, _ := schema["id"].(string)
		if id == "" {
			return errors.New("a schema has no id")
		}
		if attributes, _ := schema["attributes"].([]any); len(attributes) == 0 {
			return fmt.Errorf("the schema %q has no attributes", id)
		}
		if err := isSpelled(id, schema); err != nil {
			return err
		}
		missing = slices.DeleteFunc(missing, func(urn string) bool { return urn == id })
	}
	if len(missing) > 0 {
		return fmt.Errorf("there is no schema %s", strings.Join(missing, ", nor "))
	}
	return nil
}

// camelCased are the members of an attribute's definition whose values are
// words of RFC 7643 section 7, or, name, what requests call it.
var camelCased = []string{"name", "type", "mutability", "returned", "uniqueness"}

// isSpelled wants what is in a schema in camel case and not null. Only in the
// definitions of attributes are the values looked at: the name of a schema is
// for people.
func isSpelled(path string, value any) error {
	switch value := value.(type) {
	case nil:
		return fmt.Errorf("%s is null", path)
	case []any:
		for i, element := range value {
			if err := isSpelled(path+"["+strconv.Itoa(i)+"]", element); err != nil {
				return err
			}
		}
	case map[string]any:
		return isObjectSpelled(path, value)
	}
	return nil
}

func isObjectSpelled(path string, object map[string]any) error {
	if name, ok := object["name"].(string); ok && object["type"] != nil {
		path, _, _ = strings.Cut(path, "[")
		path += ": " + name
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !isCamelCase(key) {
			return fmt.Errorf("%s: %q is not in camel case", path, key)
		}
		word, ok := object[key].(string)
		if ok && object["type"] != nil && slices.Contains(camelCased, key) && !isCamelCase(word) {
			return fmt.Errorf("%s: %s %q is not in camel case", path, key, word)
		}
		if err := isSpelled(path+"."+key, object[key]); err != nil {
			return err
		}
	}
	return nil
}

// isCamelCase takes a first letter that is not upper case for it; "$ref" is how
// RFC 7643 spells it.
func isCamelCase(word string) bool {
	first := strings.TrimPrefix(word, "$")
	return first != "" && first[0] >= 'a' && first[0] <= 'z' && !strings.ContainsAny(word, " _-")
}
