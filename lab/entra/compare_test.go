package entra

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/entra-scim-proxy/lab/directory"
)

// edit patches a resource by hand at the backend.
func (p *plant) edit(path, operations string) {
	p.t.Helper()
	status, answer := p.direct(http.MethodPatch, path, `{"schemas":["`+patchSchema+`"],"Operations":[`+operations+`]}`)
	if status >= http.StatusBadRequest {
		p.t.Fatal(status, answer)
	}
}

// Compare finds each thing that somebody changed behind Entra's back.
func TestCompareFindsWhatWasTamperedWith(t *testing.T) {
	// The default dialect, and a group that never shows its members, are read
	// the same way.
	hidden := tampering(reads("/Groups"), func(g *given) { delete(g.body, "members") })
	for name, test := range map[string]struct {
		do    func(p *plant, o office, user, group func(id string) string)
		want  []string
		front func(http.Handler) http.Handler
	}{
		"nothing": {do: func(*plant, office, func(string) string, func(string) string) {}},
		"nothing, with hidden members": {
			do: func(*plant, office, func(string) string, func(string) string) {}, front: hidden,
		},
		"a value": {do: func(p *plant, o office, user, _ func(string) string) {
			p.edit(user(o.ada), `{"op":"replace","path":"title","value":"Countess"},{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@contoso.com"},`+
				`{"op":"remove","path":"name.givenName"},{"op":"replace","path":"`+department+`","value":"engines"}`)
		}, want: []string{
			`value: ada@contoso.com, emails[type eq "work"].value, want "ada@contoso.com", got "x@contoso.com"`,
			`value: ada@contoso.com, name.givenName, want "Ada", got null`,
			`value: ada@contoso.com, title, want "Analyst", got "Countess"`,
			`value: ada@contoso.com, ` + department + `, want "Engines", got "engines"`,
		}},
		"active": {do: func(p *plant, o office, user, _ func(string) string) {
			p.edit(user(o.ada), `{"op":"replace","path":"active","value":false}`)
		}, want: []string{`value: ada@contoso.com, active, want true, got false`}},
		"manager": {do: func(p *plant, o office, user, _ func(string) string) {
			p.edit(user(o.ada), `{"op":"remove","path":"`+manager+`"}`)
		}, want: []string{`value: ada@contoso.com, ` + manager + `, want GRACE, got null`}},
		"a user deleted": {do: func(p *plant, o office, user, _ func(string) string) {
			p.direct(http.MethodDelete, user(o.grace), "")
		}, want: []string{"missing: grace@contoso.com"}},
		"a user never made": {do: func(p *plant, o office, _, _ func(string) string) {
			id, err := o.CreateUser(directory.User{UserPrincipalName: "new@contoso.com", AccountEnabled: true})
			must(t, err, o.Assign(id))
		}, want: []string{"missing: new@contoso.com"}},
		"a disabled user made all the same": {do: func(p *plant, o office, _, _ func(string) string) {
			id, err := o.CreateUser(directory.User{UserPrincipalName: "new@contoso.com", MailNickname: "new"})
			must(t, err, o.Assign(id))
			p.direct(http.MethodPost, "/Users", `{"schemas":["`+userSchema+`"],"userName":"new@contoso.com","externalId":"new"}`)
		}, want: []string{"surplus: new@contoso.com"}},
		"a disabled user who was there": {do: func(p *plant, o office, _, _ func(string) string) {
			id, err := o.CreateUser(directory.User{UserPrincipalName: "new@contoso.com", MailNickname: "new"})
			must(t, err, o.Assign(id))
			p.direct(http.MethodPost, "/Users", `{"schemas":["`+userSchema+`"],"userName":"new@contoso.com"}`)
		}},
		"a purge not yet seen": {do: func(p *plant, o office, _, _ func(string) string) {
			must(t, o.SoftDelete(o.noor), o.Purge(o.noor))
		}, want: []string{"surplus: noor@contoso.com"}},
		"a group renamed": {do: func(p *plant, o office, _, group func(string) string) {
			p.edit(group(o.staff), `{"op":"replace","path":"displayName","value":"staff"},{"op":"remove","path":"externalId"}`)
		}, want: []string{
			`value: Staff, displayName, want "Staff", got "staff"`, `value: Staff, externalId, want "` + newOffice(t).staff + `", got null`,
		}},
		"a group deleted": {do: func(p *plant, o office, _, group func(string) string) {
			p.direct(http.MethodDelete, group(o.staff), "")
		}, want: []string{"missing: Staff"}},
		"a member lost": {do: func(p *plant, o office, user, group func(string) string) {
			p.edit(group(o.staff), `{"op":"remove","path":"members[value eq \"`+idOf(user(o.ada))+`\"]"}`)
		}, want: []string{"member missing: Staff, ada@contoso.com"}},
		"a member lost, with hidden members": {do: func(p *plant, o office, user, group func(string) string) {
			p.edit(group(o.staff), `{"op":"remove","path":"members[value eq \"`+idOf(user(o.ada))+`\"]"}`)
		}, want: []string{"member missing: Staff, ada@contoso.com"}, front: hidden},
		"a member too many": {do: func(p *plant, o office, user, group func(string) string) {
			p.edit(group(o.staff), `{"op":"add","path":"members","value":[{"value":"`+idOf(user(o.grace))+`"}]}`)
		}, want: []string{"member surplus: Staff, grace@contoso.com"}},
		"a removal not yet seen, with hidden members": {do: func(p *plant, o office, _, _ func(string) string) {
			must(t, o.RemoveMember(o.staff, o.ada))
		}, want: []string{"member surplus: Staff, ada@contoso.com"}, front: hidden},
		"a stranger among the members": {do: func(p *plant, o office, _, group func(string) string) {
			_, made := p.direct(http.MethodPost, "/Users", `{"schemas":["`+userSchema+`"],"userName":"mallory"}`)
			p.edit(group(o.staff), `{"op":"add","path":"members","value":[{"value":"`+made["id"].(string)+`"}]}`)
		}, want: []string{"member surplus: Staff, STRANGER"}},
		"users unreadable": {do: func(p *plant, o office, _, _ func(string) string) {}, front: tampering(reads("/Users"), func(g *given) {
			g.raw = "<title>Please log in</title>"
		}), want: []string{
			"unreadable: ada@contoso.com, got the body of the 200 is not a JSON object",
			"unreadable: grace@contoso.com, got the body of the 200 is not a JSON object",
			"unreadable: noor@contoso.com, got the body of the 200 is not a JSON object",
		}},
		"members unreadable": {do: func(p *plant, o office, _, _ func(string) string) {}, front: func(next http.Handler) http.Handler {
			return hidden(tampering(lookUps("/Groups"), toStatus(http.StatusBadRequest))(next))
		}, want: []string{
			"unreadable: Staff, ada@contoso.com, got want 200 or 404, got 400", "unreadable: Staff, noor@contoso.com, got want 200 or 404, got 400",
		}},
		"members unreadable otherwise": {do: func(p *plant, o office, _, _ func(string) string) {}, front: func(next http.Handler) http.Handler {
			return hidden(tampering(lookUps("/Groups"), func(g *given) { delete(g.body, "Resources") })(next))
		}, want: []string{
			"unreadable: Staff, ada@contoso.com, got the list has no array Resources",
			"unreadable: Staff, noor@contoso.com, got the list has no array Resources",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			p := newPlant(t, build{dir: o.Directory})
			p.clean()
			p.same()
			test.do(p, o,
				func(id string) string { return "/Users/" + p.job.users[id].id },
				func(id string) string { return "/Groups/" + p.job.groups[id].id })
			p.set(&p.front, test.front)
			got := strings.Join(p.differences(), "\n")
			got = strings.ReplaceAll(got, `"`+p.job.users[o.grace].id+`"`, "GRACE")
			if _, list := p.direct(http.MethodGet, `/Users?filter=userName+eq+%22mallory%22`, ""); list["totalResults"] == any(1.0) {
				got = strings.ReplaceAll(got, list["Resources"].([]any)[0].(map[string]any)["id"].(string), "STRANGER")
			}
			if diff := cmp.Diff(strings.Join(test.want, "\n"), got); diff != "" {
				t.Errorf("Compare (-want +got):\n%s", diff)
			}
		})
	}
}

func idOf(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// Somebody who was deleted, and is still there.
func TestCompareFindsWhatDeleteLeft(t *testing.T) {
	for name, test := range map[string]struct {
		active string
		want   []string
	}{
		"as if nothing had been": {"true", []string{"surplus: noor@contoso.com"}},
		"inactive":               {"false", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			p := newPlant(t, build{dir: o.Directory})
			p.clean()
			id := p.job.users[o.noor].id
			must(t, o.SoftDelete(o.noor), o.Purge(o.noor))
			p.set(&p.tamper, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodDelete {
						w.WriteHeader(http.StatusNoContent)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			p.clean()
			p.edit("/Users/"+id, `{"op":"replace","path":"active","value":`+test.active+`}`)
			// Its membership is its own affair.
			if diff := cmp.Diff(strings.Join(test.want, "\n"), strings.Join(withoutMembers(p.differences()), "\n")); diff != "" {
				t.Errorf("Compare (-want +got):\n%s", diff)
			}
		})
	}
}

// Somebody who was deleted, was kept inactive, and comes back with the same id.
func TestCompareAfterDeleteAndReturn(t *testing.T) {
	o := newOffice(t)
	p := newPlant(t, build{dir: o.Directory, job: JobOptions{Unmapped: []string{"active"}}})
	p.clean()
	p.set(&p.tamper, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	must(t, o.SetEnabled(o.ada, false))
	if report := p.clean(); report.Users.Deleted != 1 {
		t.Errorf("got %+v", report.Users)
	}
	must(t, o.SetEnabled(o.ada, true))
	if report := p.clean(); report.Users.Linked != 1 {
		t.Errorf("got %+v", report.Users)
	}
	p.same()
}

func withoutMembers(list []string) []string {
	var rest []string
	for _, text := range list {
		if !strings.HasPrefix(text, "member") {
			rest = append(rest, text)
		}
	}
	return rest
}

func TestCompareIsInterrupted(t *testing.T) {
	o := newOffice(t)
	p := newPlant(t, build{dir: o.Directory})
	p.clean()
	ctx, cancel := context.WithCancel(t.Context())
	p.set(&p.front, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(); panic(http.ErrAbortHandler) })
	})
	if got, err := p.job.Compare(ctx); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
