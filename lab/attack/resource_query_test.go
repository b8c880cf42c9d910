package attack

import (
	"net/http"
	"strings"
	"testing"
)

// longQuery is a query in which a parser could lose something.
type longQuery struct {
	id, query string
	broken    bool // refused in any case
}

// longQueries have more parameters than parsers count, and something behind
// them that must not get lost: a list without its filter is another one.
func longQueries() []longQuery {
	const filter = `filter=userName+eq+%22adele%22`
	pairs := func(pair string, n int) string { return strings.TrimSuffix(strings.Repeat(pair+"&", n), "&") }
	return []longQuery{
		{"100 parameters", pairs("a=1", 100) + "&" + filter, false}, {"9,999 parameters", pairs("a=1", 9_998) + "&" + filter, false}, {"10,001 parameters", pairs("a=1", 10_000) + "&" + filter, false},
		{"100,000 parameters, the filter last", pairs("a=1", 99_999) + "&" + filter, false}, {"100,000 parameters, the filter first", filter + "&" + pairs("a=1", 99_999), false}, {"100,000 filters", pairs("filter=a", 100_000), false},
		{"100,000 names without values", pairs("a", 100_000), false}, {"100,000 empty ones", strings.Repeat("&", 100_000) + filter, false}, {"100,000 equals signs", strings.Repeat("=", 100_000) + "&" + filter, false},
		{"100,000 names that count as one", pairs("%61=1", 100_000), false}, {"900,000 bytes of a value", "a=" + strings.Repeat("x", 900_000) + "&" + filter, false}, {"250,000 escapes", "a=" + strings.Repeat("%41", 250_000) + "&" + filter, false},
		{"100,000 parameters, one does not parse", pairs("a=1", 100_000) + "&a=%zz", true}, {"100,000 semicolons", strings.Repeat("a;", 100_000) + "&" + filter, true}, {"250,000 percent signs", strings.Repeat("%", 250_000), true},
	}
}

// tryQueries sends each, where the header may be long, and where it may not. It
// is refused or passes as it is, and is never a shorter one.
func tryQueries(t *testing.T, w *world, long bool) {
	var trials []trial
	for _, q := range longQueries() {
		each := trial{name: q.id, line: "GET /scim/Users/{mark}?" + q.query, want: []int{http.StatusBadRequest}, may: !q.broken}
		if !long && len(q.query) > 16<<10 {
			each.want, each.may = []int{http.StatusRequestHeaderFieldsTooLarge}, false
		}
		if len(q.query) < 8<<10 {
			each.passes, each.may = true, false
		}
		trials = append(trials, each)
	}
	w.try(t, trials)
}
