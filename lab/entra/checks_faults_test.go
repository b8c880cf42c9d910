package entra

import (
	"net/http"
	"regexp"
	"strings"
)

// faultyService is a service that fails one check.
type faultyService struct {
	// with are the checks that are about the same, and fail, too.
	with   []string
	skips  []string // the checks that it keeps from being prepared
	flag   string   // of the tenant URL
	tamper func() tamper
}

// faultyServices has a service for each check.
func faultyServices() map[string]faultyService {
	const (
		get, post, patch, remove = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete

		user, users   = `/Users/[^?]+$`, `/Users`
		group, groups = `/Groups/[^?]+$`, `/Groups`
		managerPath   = `"path":"` + manager + `"`
	)
	fixed := func(made tamper) func() tamper { return func() tamper { return made } }
	noLocation := spoil(func(a recorded) { a.Header().Del("Location") })
	noError := instead(404, 404, scimMedia, "{}")
	return map[string]faultyService{
		"validator: create a user": {
			with:   []string{"suite: create a user", "suite: provision a user on demand", "suite: SCIM user create"},
			tamper: fixed(on(post, users, noLocation)),
		},
		"validator: create the same user again": {
			tamper: fixed(on(post, users, instead(409, 409, scimMedia, strings.Replace(conflictBody, "uniqueness", "taken", 1)))),
		},
		"validator: find a user": {
			with: []string{
				"validator: find a user in another case", "validator: change a user's userName", "suite: create a user",
				"suite: disable a user", "suite: provision a user on demand", "suite: SCIM user create", "suite: SCIM user update",
			},
			tamper: fixed(on(get, users+`\?filter=`, spoil(func(a recorded) {
				if strings.Contains(a.Body.String(), `"totalResults":1`) {
					a.replace(200, scimMedia, twoMatches)
				}
			}))),
		},
		"validator: look for a user who does not exist": {
			with: []string{"suite: create a user", "suite: delete a user", "suite: provision a user on demand", "suite: provision a group on demand"},
			tamper: fixed(on(get, users+`\?filter=`, spoil(func(a recorded) {
				if strings.Contains(a.Body.String(), `"totalResults":0`) {
					a.replace(404, scimMedia, `{"schemas":["`+errorSchema+`"],"status":"404"}`)
				}
			}))),
		},
		"validator: find a user in another case": {tamper: fixed(on(get, users+`\?filter=.*LAB-CHECK`, say(200, emptyList)))},
		"validator: replace a user's attributes": {tamper: fixed(on(patch, user, instead(200, 204, "", "")))},
		"validator: change a user's userName":    {tamper: fixed(on(patch, user, sending(ignored(), `"path":"userName"`)))},
		"validator: disable a user": {
			with:   []string{"suite: disable a user"},
			skips:  []string{"suite: restore a user"},
			tamper: fixed(on(patch, user, sending(ignored(), `"path":"active","value":"False"`))),
		},
		"validator: add attributes to a user": {tamper: fixed(on(patch, user, sending(ignored(), `phoneNumbers\[type eq \\"mobile\\"\]`)))},
		"validator: add a manager": {
			with:   []string{"suite: update a user's manager"},
			skips:  []string{"validator: remove a manager", "validator: replace a manager"},
			tamper: fixed(on(patch, user, sending(ignored(), `"op":"Add",`+managerPath))),
		},
		"validator: replace a manager": {
			with:   []string{"suite: update a user's manager"},
			tamper: fixed(on(patch, user, sending(ignored(), `"op":"Replace",`+managerPath+`,"value":"[^"]`))),
		},
		"validator: remove a manager":            {tamper: fixed(on(patch, user, sending(ignored(), `"op":"Remove",`+managerPath)))},
		"validator: delete a user":               {with: []string{"suite: delete a user"}, tamper: fixed(on(get, user, noError))},
		"validator: create a group":              {with: []string{"suite: create a group", "suite: provision a group on demand", "suite: restore a group", "suite: SCIM group create"}, tamper: fixed(on(post, groups, noLocation))},
		"validator: create the same group again": {tamper: fixed(on(post, groups, instead(409, 400, scimMedia, conflictBody)))},
		"validator: read a group without its members": {
			tamper: fixed(on(get, `/Groups/[^?]+\?excludedAttributes=members`, spoil(func(a recorded) {
				replaceText(a, `"displayName"`, `"members":[],"displayName"`)
			}))),
		},
		"validator: find a group with its members": {
			tamper: fixed(on(get, groups+`\?filter=`, spoil(func(a recorded) { replaceText(a, `"members":`, `"users":`) }))),
		},
		"validator: find a group without its members": {
			tamper: fixed(on(get, groups+`\?excludedAttributes=members`, spoil(func(a recorded) {
				replaceText(a, `"displayName"`, `"members":[],"displayName"`)
			}))),
		},
		"validator: look for a group that does not exist": {
			with:   []string{"suite: create a group", "suite: delete a group", "suite: provision a group on demand", "suite: restore a group"},
			tamper: fixed(on(get, groups+`\?excludedAttributes=members&filter=`, spoil(func(a recorded) { replaceText(a, `"Resources":[]`, `"Resources":null`) }))),
		},
		"validator: find a group in another case": {tamper: fixed(on(get, groups+`\?.*filter=.*LAB-CHECK`, say(200, emptyList)))},
		"validator: replace a group's attributes": {
			with:   []string{"suite: update a group", "suite: SCIM group update"},
			tamper: fixed(on(patch, group, sending(ignored(), `"path":"displayName"`))),
		},
		"validator: replace a group's externalId": {tamper: fixed(on(patch, group, sending(ignored(), `"path":"externalId"`)))},
		"validator: add a member to a group": {
			with:   []string{"suite: add members to a group", "suite: provision a group on demand"},
			tamper: fixed(on(patch, group, sending(echo, `^[^}]*"op":"Add","path":"members"[^\]]*\]}]}$`))),
		},
		"validator: remove a member from a group": {
			with:   []string{"suite: remove members from a group", "suite: provision a group on demand"},
			tamper: fixed(on(patch, group, sending(ignored(), `"Operations":\[{"op":"Remove","path":"members"`))),
		},
		"validator: delete a group": {with: []string{"suite: delete a group"}, tamper: fixed(on(get, group, noError))},
		"validator: several operations on different attributes": {
			tamper: fixed(on(patch, user, sending(ignored(), `^[^}]*"path":"displayName"[^}]*}[^}]*phoneNumbers[^}]*},[^}]*"path":"preferredLanguage"`))),
		},
		"validator: several operations on one attribute": {
			tamper: fixed(on(patch, user, sending(ignored(), `"path":"title".*"path":"title"`))),
		},
		"validator: delete a user who does not exist":   {tamper: func() tamper { return forgivingDelete(users, false) }},
		"validator: delete a group that does not exist": {tamper: func() tamper { return forgivingDelete(groups, false) }},
		"validator: delete a user twice":                {tamper: func() tamper { return forgivingDelete(users, true) }},
		"validator: delete a group twice":               {tamper: func() tamper { return forgivingDelete(groups, true) }},
		"validator: add a member and remove another at once": {
			tamper: fixed(on(patch, group, sending(ignored(), `"op":"Add".*"op":"Remove"`))),
		},

		"suite: create a user": {with: []string{"suite: provision a user on demand"}, tamper: func() tamper { return cache(users) }},
		"suite: update a user": {
			with:   []string{"validator: replace a user's attributes", "suite: provision a user on demand"},
			tamper: fixed(on(patch, user, sending(ignored(), `"path":"name.givenName"`))),
		},
		"suite: disable a user": {tamper: fixed(on(get, users+`\?filter=`, spoil(func(a recorded) {
			if strings.Contains(a.Body.String(), `"active":false`) {
				a.replace(200, scimMedia, emptyList)
			}
		})))},
		"suite: delete a user":           {tamper: func() tamper { return haunted(users) }},
		"suite: update a user's manager": {tamper: fixed(on(patch, user, sending(say(400, "{}"), managerPath+`,"value":""`)))},
		"suite: restore a user":          {tamper: fixed(on(patch, user, sending(ignored(), `"path":"active","value":"True"`)))},
		"suite: provision a user on demand": {
			flag: "?aadOptscim062020", tamper: fixed(on(patch, user, sending(say(400, "{}"), `"op":"Replace"`))),
		},
		"suite: create a group": {with: []string{"suite: provision a group on demand"}, tamper: func() tamper { return cache(groups) }},
		"suite: update a group": {tamper: fixed(on(get, groups+`\?excludedAttributes=members&filter=.*renamed`, say(200, emptyList)))},
		"suite: delete a group": {with: []string{"suite: restore a group"}, tamper: func() tamper { return haunted(groups) }},
		"suite: add members to a group": {tamper: func() tamper {
			return on(patch, group, sending(repeated(say(409, conflictBody), func(r request) string { return r.RequestURI + r.sent }), `"op":"Add"`))
		}},
		"suite: remove members from a group": {tamper: func() tamper {
			return on(patch, group, sending(repeated(ignored(), func(r request) string { return r.RequestURI }), `"op":"Remove"`))
		}},
		"suite: remove members from a group #2": {tamper: func() tamper {
			return on(patch, group, sending(repeated(say(404, "{}"), func(r request) string { return r.RequestURI + r.sent }), `"op":"Remove"`))
		}},
		"suite: provision a group on demand": {
			flag: "?aadOptscim062020", tamper: fixed(on(patch, group, sending(say(400, "{}"), `"op":"Add"`))),
		},
		"suite: restore a group": {tamper: func() tamper {
			return on(post, groups, repeated(say(409, conflictBody), func(r request) string {
				return regexp.MustCompile(`"displayName":"[^"]*"`).FindString(r.sent)
			}))
		}},

		"suite: discover the schemas": {tamper: fixed(on(get, `/Schemas$`, spoil(func(a recorded) { replaceText(a, `"id":"`+groupSchema, `"id":"`+userSchema) })))},
		"suite: null update":          {tamper: fixed(on(patch, user, sending(ignored(), `"path":"title","value":null`)))},
		"suite: SCIM user create":     {with: []string{"suite: SCIM user update"}, tamper: fixed(on(get, users+`\?filter=.*%20`, say(400, "{}")))},
		"suite: SCIM user update":     {tamper: fixed(on(patch, user, sending(ignored(), `Operations":\[{"op":"Replace","path":"title","value":"Senior Analyst"}]`)))},
		"suite: SCIM group create":    {with: []string{"suite: SCIM group update"}, tamper: fixed(on(get, groups+`\?filter=.*%20`, say(400, "{}")))},
		"suite: SCIM group update":    {tamper: fixed(on(get, groups+`\?filter=.*%20.*renamed`, say(200, emptyList)))},
		"suite: page through users":   {tamper: fixed(on(get, users+`\?startIndex=6&count=5`, firstPage))},
		"suite: page through groups":  {tamper: fixed(on(get, groups+`\?startIndex=6&count=5`, firstPage))},
		"suite: update a manager":     {tamper: fixed(on(patch, user, sending(ignored(), managerPath+`,"value":{`)))},
	}
}

// replaceText is recorded.edit for a text that need not be there.
func replaceText(a recorded, old, new string) {
	text := strings.ReplaceAll(a.Body.String(), old, new)
	a.Body.Reset()
	a.Body.WriteString(text)
}

// forgivingDelete says that all is well to the deletion of what is gone, either
// because it was deleted before or because it never was.
func forgivingDelete(endpoint string, before bool) tamper {
	deleted := map[string]bool{}
	return on(http.MethodDelete, endpoint, func(r request, next func() recorded) recorded {
		answer := next()
		if answer.Code == 404 && deleted[r.RequestURI] == before {
			answer.replace(204, "", "")
		}
		deleted[r.RequestURI] = true
		return answer
	})
}

// cache answers the same question always as the first time.
func cache(endpoint string) tamper {
	answers := map[string]string{}
	return on(http.MethodGet, endpoint+`\?.*filter=`, func(r request, next func() recorded) recorded {
		answer := next()
		if known, ok := answers[r.RequestURI]; ok {
			answer.replace(200, scimMedia, known)
		}
		answers[r.RequestURI] = answer.Body.String()
		return answer
	})
}

// haunted finds what was deleted.
func haunted(endpoint string) tamper {
	name := regexp.MustCompile(`lab-check-[-0-9a-z.]*`)
	posted := map[string]bool{}
	return func(r request, next func() recorded) recorded {
		answer := next()
		if r.Method == http.MethodPost {
			for _, each := range name.FindAllString(strings.ToLower(r.sent), -1) {
				posted[each] = true
			}
		} else if strings.HasSuffix(r.URL.Path, endpoint) && posted[name.FindString(strings.ToLower(r.URL.RawQuery))] {
			if strings.Contains(answer.Body.String(), `"totalResults":0`) {
				answer.replace(200, scimMedia, twoMatches)
			}
		}
		return answer
	}
}

// repeated is for requests whose key was there before.
func repeated(inner tamper, key func(request) string) tamper {
	before := map[string]bool{}
	return func(r request, next func() recorded) recorded {
		if known := key(r); before[known] {
			return inner(r, next)
		}
		before[key(r)] = true
		return next()
	}
}

// firstPage shows the first page whatever is asked for.
func firstPage(r request, next func() recorded) recorded {
	r.URL.RawQuery = "startIndex=1&count=5"
	return next()
}

// echo answers a PATCH with the resource, as RFC 7644 section 3.5.2 allows, and
// Entra does not want it of groups.
func echo(r request, next func() recorded) recorded {
	next()
	r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
	return next()
}
