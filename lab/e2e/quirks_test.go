package e2e

import (
	"slices"
	"strings"

	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
)

// quirk is what a system does not do, and nobody can make it, or what the
// proxy was asked to keep from it. What is none of it fails the test, and so
// does a quirk of which no difference shows at the end. Nil functions expect
// nothing.
type quirk struct {
	differs func(entra.Difference) bool
	found   func(entra.Finding) bool
	failed  func(entra.Failure) bool
}

var quirks = map[string]quirk{
	// It does not rename groups.
	"guard": {
		differs: func(d entra.Difference) bool { return d.Kind == entra.DiffValue && d.Attribute == "displayName" },
		found:   func(f entra.Finding) bool { return f.Rule == "group update status" },
		failed: func(f entra.Failure) bool {
			return f.Step == "update group" && strings.HasSuffix(f.Reason, "400: a group cannot be renamed")
		},
	},
	// Its own lists say who is in which group; and it disables those who are
	// deleted, so they stay in theirs, nameless.
	"user-sync": {differs: func(d entra.Difference) bool {
		switch d.Kind {
		case entra.DiffMemberMissing:
			return !isAssigned(d.Object)
		case entra.DiffMemberSurplus:
			return isKept(d.Object) || !strings.Contains(d.Attribute, "@")
		}
		return false
	}},
	// The proxy answers for groups, out of their ids: they have no members, and
	// no name but the externalId, and those who are deleted are still there.
	"odj": {
		differs: func(d entra.Difference) bool {
			if strings.Contains(d.Object, "@") {
				return false
			}
			return d.Kind == entra.DiffMemberMissing || d.Kind == entra.DiffSurplus || d.Kind == entra.DiffValue && d.Attribute == "displayName"
		},
		found: func(f entra.Finding) bool {
			return f.Rule == "kept" && strings.HasPrefix(f.Example.Path, "/scim/Groups/x-") && strings.HasPrefix(f.Example.Detail, "displayName was sent as ")
		},
	},
	// Attributes that it does not know do not reach it.
	"luxplugins": {
		differs: func(d entra.Difference) bool {
			return d.Kind == entra.DiffValue && d.Got == "null" && isDropped("luxplugins", d.Attribute)
		},
		found: func(f entra.Finding) bool {
			name, _, _ := strings.Cut(f.Example.Detail, " was sent as ")
			return (f.Rule == "kept" || f.Rule == "round trip") && strings.HasSuffix(f.Example.Detail, " came back as null") && isDropped("luxplugins", name)
		},
	},
}

// isAssigned says that User Sync's lists let a group have members, isKept that
// they are never taken out of it.
func isAssigned(group string) bool {
	return (strings.HasPrefix(group, "jira-") || strings.HasPrefix(group, "confluence-")) && !strings.HasSuffix(group, "-administrators")
}

func isKept(group string) bool { return strings.HasPrefix(group, "jira-core-") }

// isDropped reports whether the settings of a system make the proxy drop an
// attribute.
func isDropped(system, attribute string) bool {
	p, _ := profile.ByName(system)
	return slices.ContainsFunc(strings.Split(p.Proxy["DROP_ATTRIBUTES"], ","), func(path string) bool {
		rest, ok := strings.CutPrefix(attribute, path)
		return ok && (rest == "" || strings.ContainsAny(rest[:1], ".:["))
	})
}

// wantSystem is wantClean, but for the quirks of the system.
func (w *world) wantSystem(report entra.Report) {
	w.Helper()
	expected := quirks[w.profile.Name]
	report.Failures = slices.DeleteFunc(report.Failures, func(f entra.Failure) bool { return expected.failed != nil && expected.failed(f) })
	report.Findings = slices.DeleteFunc(report.Findings, func(f entra.Finding) bool { return expected.found != nil && expected.found(f) })
	w.wantClean(report)
}
