package backend

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everything lets cmp look into expressions.
var everything = cmp.Exporter(func(reflect.Type) bool { return true })

// filters are tried on the resources that TestFilters makes; want names those
// that match, in the order of creation.
var filters = []struct{ endpoint, filter, want string }{
	{"/Users", `userName eq "7d420df3-9995-4831-a406-ecf8166f5f6a"`, ""},
	{"/Users", `userName eq "JANE@contoso.com"`, "jane"},
	{"/Users", `USERNAME EQ "jane@contoso.com"`, "jane"},
	{"/Users", userURN + `:userName eq "jane@contoso.com"`, "jane"},
	{"/Users", `userName ne "jane@contoso.com"`, "omar nobody"},
	{"/Users", `userName co "@CONTOSO"`, "jane omar"},
	{"/Users", `userName sw "jane"`, "jane"},
	{"/Users", `userName ew "example.com"`, "nobody"},
	{"/Users", `userName gt "nobody"`, "omar nobody"},
	{"/Users", `userName ge "nobody@example.com"`, "omar nobody"},
	{"/Users", `userName lt "nobody@example.com"`, "jane"},
	{"/Users", `userName le "nobody@example.com"`, "jane nobody"},
	{"/Users", `externalId eq "Jane-1"`, "jane"},
	{"/Users", `externalId eq "jane-1"`, ""},
	{"/Users", `externalId ne "Jane-1"`, "omar nobody"},
	{"/Users", `externalId eq null`, "omar nobody"},
	{"/Users", `externalId ne null`, "jane"},
	{"/Users", `externalId pr`, "jane"},
	{"/Users", `id eq "{jane}"`, "jane"},
	{"/Users", `id eq "{JANE}"`, ""},
	{"/Users", `nickName eq "O\"[x]\\"`, "omar"},
	{"/Users", `nickName eq "\u006f\"[X]\\"`, "omar"},
	{"/Users", `active eq true`, "jane"},
	{"/Users", `active eq false`, "omar"},
	{"/Users", `active ne true`, "omar nobody"},
	{"/Users", `name.familyName eq "doe"`, "jane"},
	{"/Users", `name pr`, "jane"},
	{"/Users", `emails eq "jane@contoso.com"`, "jane nobody"},
	{"/Users", `emails.value eq "jane@contoso.com"`, "jane nobody"},
	{"/Users", `emails.type eq "work" and emails.value eq "jane@contoso.com"`, "jane nobody"},
	{"/Users", `emails[type eq "work"].value eq "jane@contoso.com"`, "jane"},
	{"/Users", `emails[type eq "WORK" and value eq "jane@contoso.com"]`, "jane"},
	{"/Users", `emails[type eq "work" and not (value co "contoso")]`, "nobody"},
	{"/Users", `emails[type eq "work"]`, "jane nobody"},
	{"/Users", `emails[type eq "work"].primary pr`, "jane"},
	{"/Users", `emails[primary eq true]`, "jane"},
	{"/Users", `emails pr`, "jane nobody"},
	{"/Users", `not (emails pr)`, "omar"},
	{"/Users", `groups eq "{team}"`, "jane"},
	{"/Users", `groups.display eq "team"`, "jane"},
	{"/Users", enterpriseURN + `:department eq "sales"`, "jane"},
	{"/Users", enterpriseURN + `:manager eq "{jane}"`, "omar"},
	{"/Users", strings.ToUpper(enterpriseURN) + `:manager.value eq "{jane}"`, "omar"},
	{"/Users", `id eq "{omar}" and ` + enterpriseURN + `:manager eq "{jane}"`, "omar"},
	{"/Users", `id eq "{jane}" and ` + enterpriseURN + `:manager eq "{jane}"`, ""},
	{"/Users", `schemas eq "` + enterpriseURN + `"`, "jane omar"},
	{"/Users", `meta.resourceType eq "User"`, "jane omar nobody"},
	{"/Users", `meta.created gt "2011-05-13T04:42:34Z"`, "jane omar nobody"},
	{"/Users", `meta.lastModified lt "2011-05-13T06:42:34.5+02:00"`, ""},
	{"/Users", `active eq true or active eq false and userName sw "n"`, "jane"},
	{"/Users", `(active eq true or active eq false) and userName sw "o"`, "omar"},
	{"/Users", `not (active eq true) and not(userName sw "n")`, "omar"},
	{"/Users", `userName sw "j" OR  userName sw "o" Or userName sw "n"`, "jane omar nobody"},
	{"/Groups", `displayName eq "TEAM"`, "team"},
	{"/Groups", `members eq "{jane}"`, "team"},
	{"/Groups", `id eq "{team}" and members eq "{jane}"`, "team"},
	{"/Groups", `id eq "{team}" and members eq "{omar}"`, ""},
	{"/Groups", `members[value eq "{jane}"]`, "team"},
	{"/Groups", `members.type eq "User"`, "team"},
	{"/Groups", `not (members pr)`, "empty"},
}

func TestFilters(t *testing.T) {
	l := peopled(t)
	l.must(t, 200, http.MethodPatch, "/Users/{omar}",
		ops(`{"op":"add","path":"`+enterpriseURN+`:manager","value":{"value":"{jane}"}},
			{"op":"add","path":"active","value":false},{"op":"add","path":"nickName","value":"O\"[x]\\"}`))
	l.create(t, "nobody", "/Users", user(`"userName":"nobody@example.com","emails":[{"type":"work","value":"n@example.com"},{"type":"home","value":"jane@contoso.com"}]`))
	l.create(t, "empty", "/Groups", group(`"displayName":"Empty"`))
	for _, test := range filters {
		t.Run(test.filter, func(t *testing.T) {
			l.ids["JANE"] = strings.ToUpper(l.ids["jane"])
			got := l.must(t, 200, http.MethodGet, test.endpoint+"?filter="+url.QueryEscape(l.named(test.filter)), "")
			delete(l.ids, "JANE")
			var names []string
			for _, resource := range listOf(got["Resources"]) {
				for name, id := range l.ids {
					if objectOf(resource)["id"] == id {
						names = append(names, name)
					}
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(names, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var badFilters = []string{
	``, ` `, `userName`, `userName eq`, `eq "x"`, `"x" eq userName`, `userName eq x`, `userName eq 'x'`, `userName eq "x`,
	`userName eq "x" and`, `and userName pr`, `userName eq "x" userName eq "y"`, `userName eq "x" xor userName eq "y"`,
	`userName like "x"`, `userName == "x"`, `userName pr "x"`, `userName eq "x\q"`, "userName eq \"\x01\"", "userName eq \"\xff\"",
	"userName\teq \"x\"", `userName eq"x"`, `(userName pr)and(active pr)`, `(userName pr`, `userName pr)`, `()`, `not userName pr`, `not ()`,
	`emails[`, `emails[]`, `emails[type eq "work"`, `emails[type eq "work"] .value eq "x"`, `emails [type eq "work"]`,
	`emails[type eq "work"].value`, `emails[type eq "work"].value.x eq "y"`, `emails[emails[type pr]]`, `emails[type eq "work"].shoe eq "x"`,
	`emails[emails.type eq "work"]`, `emails[shoe eq "x"]`, `name[givenName pr]`, `schemas[value pr]`, `userName[value pr]`,
	`shoeSize eq "40"`, `name.given eq "x"`, `department eq "x"`, `urn:example:User:userName eq "x"`, enterpriseURN + `:title eq "x"`,
	enterpriseURN + ` pr`, `members eq "x"`, `userName.value eq "x"`, `name.givenName.x eq "y"`, `.userName eq "x"`, `userName. eq "x"`,
	`active eq "True"`, `active eq True`, `active gt true`, `active co "t"`, `userName eq 1`, `userName eq true`, `userName eq [1]`,
	`name eq "x"`, `userName gt null`, `meta.created gt "yesterday"`, `id eq 1e400`,
	strings.Repeat("(", 60) + `userName pr` + strings.Repeat(")", 60),
}

func TestBadFilters(t *testing.T) {
	l := peopled(t)
	for _, filter := range badFilters {
		t.Run(filter, func(t *testing.T) {
			wantError(t, l.do(t, http.MethodGet, "/Users?filter="+url.QueryEscape(filter), ""), 400, invalidFilter)
		})
	}
}

func TestFilterTrees(t *testing.T) {
	pr := func(name string) expression { return comparison{attr: attrPath{name: name}, operator: "pr"} }
	for _, test := range []struct {
		filter, printed string
		want            expression
	}{
		{`a pr or b pr and c pr`, `a pr or b pr and c pr`,
			logical{"or", pr("a"), logical{"and", pr("b"), pr("c")}}},
		{`(a pr or b pr) and c pr`, `(a pr or b pr) and c pr`,
			logical{"and", logical{"or", pr("a"), pr("b")}, pr("c")}},
		{`a pr and b pr and c pr`, `a pr and b pr and c pr`,
			logical{"and", logical{"and", pr("a"), pr("b")}, pr("c")}},
		{`((a pr)) AND (b pr and c pr)`, `a pr and (b pr and c pr)`,
			logical{"and", pr("a"), logical{"and", pr("b"), pr("c")}}},
		{`Not(a pr) and not pr`, `not (a pr) and not pr`,
			logical{"and", negation{pr("a")}, pr("not")}},
		{`urn:x:2.0:U:a.b EQ "\u0022"`, `urn:x:2.0:U:a.b eq "\""`,
			comparison{attrPath{"urn:x:2.0:U", "a", "b"}, "eq", `"`}},
		{`a[b pr or c pr].$ref eq null`, `a[b pr or c pr].$ref eq null`,
			selection{attrPath{name: "a"}, logical{"or", pr("b"), pr("c")}, &comparison{attrPath{name: "$ref"}, "eq", nil}}},
	} {
		got, err := parseFilter(test.filter)
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		if diff := cmp.Diff(test.want, got, everything); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.filter, diff)
		}
		if diff := cmp.Diff(test.printed, printed(got)); diff != "" {
			t.Errorf("%s printed (-want +got):\n%s", test.filter, diff)
		}
	}
}

// FuzzFilter holds that a filter that parses can be printed and parsed again
// to the same tree, and that evaluating it does not panic.
func FuzzFilter(f *testing.F) {
	for _, filter := range badFilters {
		f.Add(filter)
	}
	for _, filter := range []string{
		`userName eq "jane@contoso.com"`, `emails[type eq "work"].value eq "x"`, `id eq "a" and members eq "b"`,
		`a pr or b pr and (c pr or not (d pr))`, enterpriseURN + `:manager eq "x"`, `active eq true or active ne null`,
		`a lt -1.5E+3`, `emails[type eq "work" and (value co "x" or primary eq false)]`, `meta.created ge "2011-05-13T04:42:34Z"`,
	} {
		f.Add(filter)
	}
	doc := map[string]any{"userName": "jane@contoso.com", "active": true, "id": "a",
		"meta":   map[string]any{"created": "2011-05-13T04:42:34Z"},
		"emails": []any{map[string]any{"type": "work", "value": "x", "primary": true}, map[string]any{"type": "home"}}}
	f.Fuzz(func(t *testing.T, text string) {
		tree, err := parseFilter(text)
		if err != nil {
			return
		}
		again, err := parseFilter(printed(tree))
		if err != nil {
			t.Fatalf("%q was printed as %q: %v", text, printed(tree), err)
		}
		if diff := cmp.Diff(tree, again, everything); diff != "" {
			t.Fatalf("%q was printed as %q (-first +second):\n%s", text, printed(tree), diff)
		}
		for _, kind := range resourceTypes {
			match, err := compile(tree, kind.scope)
			if err != nil {
				continue
			}
			negated, err := compile(negation{tree}, kind.scope)
			if err != nil || match(doc) == negated(doc) {
				t.Fatalf("%q and its negation agree (%v)", text, err)
			}
		}
	})
}
