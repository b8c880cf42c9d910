package window

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Tokens of the calls.
const (
	inventedEntraToken   = "f3WvL0Zk-entra-token-9sQ1"
	inventedBackendToken = "b7TtR2Xh-backend-token-4uK"
)

// played is an invented call.
type played struct {
	step, method, target, body string
	got                        string // the body that the backend got; empty: the same
	status                     int
	said, back                 string // the backend's answer, and Entra's; empty: the same
	rules                      string
	class, cause, remedy       string
	attempts                   int // to call the backend; -1: none
	broken                     bool
	took                       time.Duration
}

const userSchema = "urn:ietf:params:scim:schemas:core:2.0:User"

func patch(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}

func scimError(status int, kind, detail string) string {
	if kind != "" {
		kind = `"scimType":"` + kind + `",`
	}
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],%s"status":"%d","detail":%q}`, kind, status, detail)
}

func listed(total int) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":%d,"startIndex":1,"itemsPerPage":20,"Resources":[]}`, total)
}

// inventedCalls are what an incremental cycle may look like on a bad day.
func inventedCalls() []played {
	people := []string{"adele.vance", "alex.wilber", "diego.siciliani", "grady.archie", "isaiah.langer", "lynne.robbins", "megan.bowen", "nestor.wilke"}
	var calls []played
	for i, name := range people {
		id := fmt.Sprintf("2819c223-7f76-453a-919d-41386190464%d", i)
		calls = append(calls,
			played{step: "match " + name, method: "GET", target: `/scim/Users?filter=userName+eq+%22` + name + `%40contoso.com%22`, status: 200, said: listed(0), rules: "accept-scim"},
			played{
				step: "create " + name, method: "POST", target: "/scim/Users", status: 201, rules: "schema-uri,active-boolean,create-null",
				body: `{"schemas":["` + userSchema + `"],"externalId":"` + name + `","userName":"` + name + `@contoso.com","active":"True","displayName":null}`,
				got:  `{"schemas":["` + userSchema + `"],"externalId":"` + name + `","userName":"` + name + `@contoso.com","active":true}`,
				said: `{"schemas":["` + userSchema + `"],"id":"` + id + `","userName":"` + name + `@contoso.com","active":true}`,
			},
			played{
				step: "disable " + name, method: "PATCH", target: "/scim/Users/" + id, status: 200, rules: "op-case,active-boolean",
				body: patch(`{"op":"Replace","path":"active","value":"False"}`), got: patch(`{"op":"replace","path":"active","value":false}`),
				said: `{"schemas":["` + userSchema + `"],"id":"` + id + `","userName":"` + name + `@contoso.com","active":false}`,
			})
	}
	group := "/scim/Groups/e9e30dba-f08f-4109-8486-d5c6a331660a"
	member := `[{"$ref":null,"value":"2819c223-7f76-453a-919d-413861904646"}]`
	return append(calls,
		played{step: "read group", method: "GET", target: group + "?excludedAttributes=members", status: 200, rules: "accept-scim,excluded-members", said: listed(1), back: listed(1)},
		played{
			step: "add member", method: "PATCH", target: group, status: 204, rules: "op-case,member-ref-null", attempts: 2,
			body: patch(`{"op":"Add","path":"members","value":` + member + `}`),
			got:  patch(`{"op":"add","path":"members","value":[{"value":"2819c223-7f76-453a-919d-413861904646"}]}`),
		},
		played{step: "create twice", method: "POST", target: "/scim/Users", status: 409, class: "", rules: "active-boolean",
			body: `{"userName":"megan.bowen@contoso.com","active":"True"}`, got: `{"userName":"megan.bowen@contoso.com","active":true}`,
			said: scimError(409, "uniqueness", "userName is taken")},
		played{
			step: "empty group", method: "PATCH", target: group, status: 400, attempts: -1, class: "invalid_value",
			cause: "operation 1: a remove with null for members", remedy: "find the attribute mapping in Entra that makes the operation that the cause names",
			body: patch(`{"op":"Remove","path":"members","value":null}`), said: scimError(400, "invalidValue", "The proxy cannot put an operation into a form that means the same to every backend."),
		},
		played{step: "read user", method: "GET", target: "/scim/Users/2819c223-7f76-453a-919d-413861904644", status: 502, class: "unreachable", attempts: -1,
			cause: "connect: connection refused", said: scimError(502, "", "The identity backend cannot be reached."), took: 3 * time.Millisecond},
		played{step: "read user", method: "GET", target: "/scim/Users/2819c223-7f76-453a-919d-413861904645", status: 200, class: "client_gone", broken: true, said: listed(1), took: 812 * time.Millisecond},
		played{step: "remove user", method: "DELETE", target: "/scim/Users/2819c223-7f76-453a-919d-413861904643", status: 204},
		played{
			step: "update manager", method: "PATCH", target: "/scim/Users/2819c223-7f76-453a-919d-413861904646", status: 200,
			rules: "op-case,attribute-case,pathless-split,active-boolean,roles-json", took: 21400 * time.Microsecond,
			body: patch(`{"op":"Add","path":"emails[type eq \"work\"].value","value":"megan.bowen@contoso.com"},{"op":"Replace","path":"Active","value":"False"},{"op":"Add","path":"roles","value":["{\"id\":\"18d14569\",\"value\":\"Reader\"}"]},{"op":"Replace","value":{"displayName":"Megan Bowen"}}`),
			got:  patch(`{"op":"add","path":"emails[type eq \"work\"].value","value":"megan.bowen@contoso.com"},{"op":"replace","path":"active","value":false},{"op":"add","path":"roles","value":[{"value":"Reader"}]},{"op":"replace","path":"displayName","value":"Megan Bowen"}`),
			said: `{"schemas":["` + userSchema + `"],"id":"2819c223-7f76-453a-919d-413861904646","userName":"megan.bowen@contoso.com","active":"false","displayName":"Megan Bowen","roles":[{"value":"Reader"}]}`,
			back: `{"schemas":["` + userSchema + `"],"id":"2819c223-7f76-453a-919d-413861904646","userName":"megan.bowen@contoso.com","active":false,"displayName":"Megan Bowen","roles":[{"value":"Reader"}]}`,
		},
	)
}

func (c played) record(r *Recorder, began time.Time) {
	var bits [16]byte
	rand.Read(bits[:])
	id := fmt.Sprintf("%x-%x-%x-%x-%x", bits[:4], bits[4:6], bits[6:8], bits[8:10], bits[10:])
	trace := "00-" + id
	r.SetStep(c.step)
	header := func(token string) http.Header {
		h := http.Header{"Adscimversion": {"5.0"}, "Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
		h["Authorization"] = []string{"Bearer " + token}
		h, _ = redactHeader(h)
		return h
	}
	message := func(line string, h http.Header, body string) Message {
		if body != "" {
			h["Content-Type"] = []string{"application/scim+json"}
		}
		return Message{StartLine: line, Header: h, Body: []byte(body), Size: int64(len(body))}
	}
	answer := func(status int, body string) Message {
		m := message(fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)), http.Header{"Content-Length": {fmt.Sprint(len(body))}}, body)
		m.Status = status
		return m
	}
	or := func(text, other string) string {
		if text == "" {
			return other
		}
		return text
	}

	sent := message(c.method+" "+c.target+" HTTP/1.1", header(inventedEntraToken), c.body)
	sent.Header["Host"] = []string{"scim-proxy.azurewebsites.net"}
	e := r.begin(Exchange{ID: id, Start: began, Method: c.method, Target: c.target, Entra: sent}, trace, nil)
	for i := range max(c.attempts, 1) {
		if c.attempts < 0 {
			break
		}
		got := message(c.method+" "+strings.Replace(c.target, "/scim", "/rest/scim/v2", 1)+" HTTP/1.1", header(inventedBackendToken), or(c.got, c.body))
		got.Header["Host"], got.Header["Accept"] = []string{"scim.corp.example.com"}, []string{"application/scim+json"}
		said := answer(c.status, c.said)
		if i+1 < c.attempts {
			got.Header["Authorization"] = []string{"Bearer " + mask("the token before")}
			said = answer(401, "")
		}
		backend := &call{Pair: Pair{Got: got}}
		r.reach(trace, backend)
		r.leave(backend, got, said)
	}
	back := answer(c.status, or(c.back, c.said))
	back.Broken = c.broken
	r.end(e, sent, back, c.took)
	inBackend := milliseconds(c.took) * 0.9
	if c.attempts < 0 {
		inBackend = 0
	}
	line, _ := json.Marshal(map[string]any{
		"msg": "exchange", "request_id": id, "backend_ms": inBackend, "secret_ms": 0.0, "rules": c.rules,
		"class": c.class, "cause": c.cause, "remedy": c.remedy,
		"caller": "sha256:" + strings.TrimPrefix(mask(inventedEntraToken), "••••"), "credential": "sha256:" + strings.TrimPrefix(mask(inventedBackendToken), "••••"),
	})
	_, _ = r.Write(append(line, '\n'))
}

// labOptions are the facts and buttons of the lab, which do nothing.
func labOptions() Options {
	done := func(text string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return text, nil }
	}
	return Options{
		Facts: []Fact{
			{Label: "Tenant URL", Value: "http://127.0.0.1:7071/scim?aadOptscim062020"},
			{Label: "NORMALIZE", Value: "all"},
			{Label: "Backend", Value: "strict"},
		},
		Actions: []Action{
			{Name: "cycle", Label: "Run a cycle", Hint: "The first provisions a small company; before each further one it changes.", Run: done("24 users created, in 72 calls")},
			{Name: "disable", Label: "Disable a user", Hint: "An account is blocked, and an incremental cycle tells the backend.", Run: done("Megan Bowen is blocked")},
			{Name: "rotate", Label: "Rotate both tokens", Hint: "The backend drops its old token at once; then Entra looks a user up.", Run: done("Both tokens are replaced")},
			{Name: "vault", Label: "Take the vault away, or bring it back", Hint: "Calls go on with the secrets that the proxy has; its log tells.", Run: done("The vault is away"), Disabled: "A key vault on this machine needs Linux or a BSD; the secrets are in files."},
		},
	}
}
