package main

import (
	"slices"
	"strconv"
	"strings"

	"example.com/entra-scim-proxy/proxy/scim"
)

// nameSetting is a setting that tells the rules about names of the operator's.
type nameSetting struct {
	setting string
	names   nameList
	// field is where the names go.
	field func(*scim.Options) *[]string
	// used reports whether a rule that uses the names is on; unused is the
	// warning if not.
	used   func(*scim.Normalizer) bool
	unused string
}

// nameSettings lists them, the schemas first: a path can begin with one.
func (s *settings) nameSettings() []nameSetting {
	return []nameSetting{
		{"EXTENSION_SCHEMAS", s.ExtensionSchemas, func(o *scim.Options) *[]string { return &o.Extensions },
			readsBodies, "turns no rule for request bodies on"},
		{"BOOLEAN_ATTRIBUTES", s.BooleanAttributes, func(o *scim.Options) *[]string { return &o.Booleans },
			isOn(scim.CustomBoolean), "does not turn the rule custom-boolean on"},
		{"INTEGER_ATTRIBUTES", s.IntegerAttributes, func(o *scim.Options) *[]string { return &o.Integers },
			isOn(scim.CustomInteger), "does not turn the rule custom-integer on"},
		{"MULTIVALUED_ATTRIBUTES", s.MultivaluedAttributes, func(o *scim.Options) *[]string { return &o.Multivalued },
			isOn(scim.CustomMultivalued, scim.RemoveValue), "turns neither the rule custom-multivalued nor remove-value on"},
		{"DROP_ATTRIBUTES", s.DropAttributes, func(o *scim.Options) *[]string { return &o.Drop },
			(*scim.Normalizer).Drops, ""},
	}
}

func isOn(rules ...scim.ID) func(*scim.Normalizer) bool {
	return func(n *scim.Normalizer) bool { return slices.ContainsFunc(rules, n.Rules().Has) }
}

func readsBodies(n *scim.Normalizer) bool {
	return n.Concerns(scim.Patch) || n.Concerns(scim.Create) || n.Concerns(scim.Replace)
}

// checkNormalization makes the normalizer, of the names that can be used, and
// reports those that cannot.
func (s *settings) checkNormalization(r *report) {
	if s.Normalize.Has(scim.Location) && s.PublicURL == "" {
		r.add("PUBLIC_URL", "nothing, but the rule location in NORMALIZE")
	}
	options := scim.Options{Rules: s.Normalize.Set}
	for _, each := range s.nameSettings() {
		good, bad := usable(each, options.Extensions)
		if len(bad) > 0 {
			r.add(each.setting, strings.Join(bad, " and "))
		}
		*each.field(&options) = good
	}
	if twice := inBoth(s.BooleanAttributes, s.IntegerAttributes); twice != "" {
		r.add("INTEGER_ATTRIBUTES", strconv.Quote(twice)+", which BOOLEAN_ATTRIBUTES names, too")
	}
	normalizer, err := scim.New(options)
	if err != nil {
		r.add("NORMALIZE", err.Error()) // names that are good one by one only
		return
	}
	s.normalizer = normalizer
	if r.has("NORMALIZE") {
		return // nobody knows what is on
	}
	if normalizer.Rules().Has(scim.OpCase) && !normalizer.Rules().Has(scim.RemoveValue) {
		r.warnings = append(r.warnings, `NORMALIZE turns op-case on, but not remove-value: a backend that refused "Remove" may take "remove" with a value for a removal of everybody`)
	}
	r.warnings = append(r.warnings, s.riskyDrops()...)
	for _, each := range s.nameSettings() {
		if len(each.names) > 0 && !r.has(each.setting) && !each.used(normalizer) {
			r.warnings = append(r.warnings, each.setting+" is set, but NORMALIZE "+each.unused)
		}
	}
}

// enterpriseNames are the attributes of RFC 7643 section 4.3, in lower case. They
// are known by the extension's URI only.
var enterpriseNames = []string{"employeenumber", "costcenter", "organization", "division", "department", "manager"}

// riskyDrops warns of attributes without which joiners or leavers go wrong, and
// of names that are probably meant otherwise.
func (s *settings) riskyDrops() (warnings []string) {
	why := map[string]string{
		"active":     "nobody is disabled at the backend, though Entra is told so",
		"username":   "nobody can be created",
		"externalid": "Entra may not find again whom it has created",
	}
	if s.Groups != stubbed {
		why["members"] = "groups stay without members, though Entra is told otherwise"
		why["displayname"] = "no group can be created; put " + coreUser + " in front if the users' is meant"
	}
	for _, name := range s.DropAttributes {
		bare := strings.ToLower(bareName(name))
		if attribute, _, _ := strings.Cut(bare, "."); slices.Contains(enterpriseNames, attribute) {
			why[bare] = "that is no core attribute; put urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: in front if the extension's is meant"
		}
		if why[bare] == "" || bare == "displayname" && strings.EqualFold(name, coreUser+bare) {
			continue
		}
		warnings = append(warnings, "DROP_ATTRIBUTES has "+bareName(name)+": "+why[bare])
	}
	return warnings
}

// usable sorts the names of a setting, one by one, so that all bad ones can be
// reported; these are quoted.
func usable(setting nameSetting, extensions []string) (good, bad []string) {
	for _, name := range setting.names {
		one := scim.Options{Extensions: extensions}
		*setting.field(&one) = []string{name}
		if _, err := scim.New(one); err != nil {
			bad = append(bad, strconv.Quote(name))
			continue
		}
		good = append(good, name)
	}
	return good, bad
}

// inBoth returns the first attribute that two lists name, "" if there is none.
func inBoth(a, b nameList) string {
	for _, name := range b {
		for _, other := range a {
			if strings.EqualFold(bareName(name), bareName(other)) {
				return name
			}
		}
	}
	return ""
}

// What the path of a core attribute can begin with.
const (
	coreUser  = "urn:ietf:params:scim:schemas:core:2.0:User:"
	coreGroup = "urn:ietf:params:scim:schemas:core:2.0:Group:"
)

// bareName is the path of a core attribute without its schema's URI, which can
// be left out (RFC 7644 section 3.10).
func bareName(path string) string {
	for _, core := range []string{coreUser, coreGroup} {
		if len(path) > len(core) && strings.EqualFold(path[:len(core)], core) {
			return path[len(core):]
		}
	}
	return path
}
