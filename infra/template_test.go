package infra_test

import (
	"strconv"
	"strings"
	"testing"
)

// template is what one of the two languages says: the source of every value, by
// the place it has.
type template struct {
	resources  []resource
	parameters map[string]parameter
	variables  map[string]map[string]string // locals, in Terraform
	outputs    map[string]string            // their descriptions
	settings   []string                     // the keys of the parameter settings
}

type resource struct {
	name   string // the symbolic one
	kind   string // Microsoft.Web/sites, azurerm_key_vault
	api    string // the version; empty in Terraform, azapi aside
	values map[string]string
}

type parameter struct {
	description, value string // of the default; empty if there is none
	nullable           bool   // in Bicep
}

func newTemplate() *template {
	return &template{
		parameters: map[string]parameter{}, variables: map[string]map[string]string{}, outputs: map[string]string{},
	}
}

func (t *template) variable(name string) map[string]string {
	values := map[string]string{}
	t.variables[name] = values
	return values
}

func (t *template) add(r resource) map[string]string {
	r.values = map[string]string{}
	t.resources = append(t.resources, r)
	return r.values
}

// find returns the resources of a kind, at least one.
func (t *template) find(test *testing.T, kind string) []resource {
	test.Helper()
	var found []resource
	for _, r := range t.resources {
		if r.kind == kind {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		test.Errorf("there is no %s", kind)
	}
	return found
}

// put adds a value to what is at a place already: blocks may repeat, and values
// be put together of several.
func put(into map[string]string, path, value string) {
	if before, found := into[path]; found {
		value = before + ", " + value
	}
	into[path] = oneLine(value)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func number(i uint) string { return strconv.FormatUint(uint64(i), 10) }

// oneLine is a value's source with its blanks made one each.
func oneLine(source string) string { return strings.Join(strings.Fields(source), " ") }
