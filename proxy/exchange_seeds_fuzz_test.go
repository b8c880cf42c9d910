package proxy_test

import "strings"

// entraCall is a call with Entra's token: a method and a target, and the body, if
// there is one.
func entraCall(start string, body ...string) string {
	head := start + " HTTP/1.1\r\nHost: public.example.com\r\nAuthorization: Bearer " + entraToken + "\r\n"
	text := strings.Join(body, "")
	if text != "" {
		head += "Content-Type: application/scim+json; charset=utf-8\r\nContent-Length: " + itoa(len(text)) + "\r\n"
	}
	return head + "\r\n" + text
}

// withLines is a call with lines of the header added, and a body that it does
// not announce.
func withLines(start, lines, body string) string {
	return strings.TrimSuffix(entraCall(start), "\r\n") + lines + "\r\n" + body
}

const patchHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`

// exchangeSeeds are what clients send: Entra's calls, and those of somebody who
// would have two parsers disagree.
func exchangeSeeds() []string {
	get := entraCall("GET /scim/Users/id-canary-1?attributes=id")
	smuggled := entraCall("DELETE /scim/Users/id-canary-2")
	chunked := "Transfer-Encoding: chunked\r\nContent-Type: application/scim+json\r\n"
	user := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada-canary-1@example.com","active":"True","title":"x"}`
	return []string{
		// Entra.
		"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		entraCall("GET /scim/Users?filter=userName+eq+%22query-canary-1%22&aadOptscim062020"),
		get, get + get + smuggled, entraCall("HEAD /scim/Users"),
		entraCall("GET /scim/Groups?excludedAttributes=members&filter=displayName+eq+%22query-canary-1%22"),
		entraCall("POST /scim/Users", user), entraCall("PUT /scim/Users/id-canary-1", user),
		entraCall("PATCH /scim/Users/id-canary-1", patchHead+`{"op":"Replace","path":"active","value":"False"}]}`),
		entraCall("PATCH /scim/Users/id-canary-1", patchHead+`{"op":"Add","path":"emails[type eq \"work\"].value","value":"ada-canary-1@example.com"}]}`),
		entraCall("PATCH /scim/Groups/id-canary-1", patchHead+`{"op":"Remove","path":"members","value":[{"value":"id-canary-2"}]}]}`),
		entraCall("PATCH /scim/Users/id-canary-1", patchHead+`{"op":"Add","path":"title","value":"x"}]}`),
		entraCall("POST /scim/Groups", `{"externalId":"id-canary-1","displayName":"Staff"}`), entraCall("GET /scim/Groups/x-U3RhZmY"),
		entraCall("DELETE /scim/Groups/x-U3RhZmY") + get, entraCall("GET /scim/.well-known/check"), entraCall("POST /scim/Bulk", `{"Operations":[]}`),
		// Without the token, or with a wrong one.
		"DELETE /scim/Users/id-canary-1 HTTP/1.1\r\nHost: a\r\n\r\n", strings.Replace(get, entraToken, "guess-canary-1", 1),
		strings.Replace(get, "\r\n\r\n", "\r\nAuthorization: Bearer guess\r\n\r\n", 1), strings.Replace(get, "Bearer", "bearer ", 1),
		"FOO /scim/Users HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
		// RFC 9112 section 11.2: where one request ends and the next begins.
		withLines("POST /scim/Users", "Content-Length: 4\r\n"+chunked, "0\r\n\r\n"+smuggled),
		withLines("POST /scim/Users", chunked+"Content-Length: 5\r\n", "0\r\n\r\n"+smuggled),
		withLines("POST /scim/Users", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"+smuggled),
		withLines("POST /scim/Users", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+smuggled),
		withLines("POST /scim/Users", "Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"+smuggled),
		withLines("POST /scim/Users", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"+smuggled),
		withLines("POST /scim/Users", "X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled),
		withLines("POST /scim/Users", "Content-Length: 3\r\nContent-Length: 4\r\n", "{}  "+smuggled),
		withLines("POST /scim/Users", "Content-Length: +3\r\n", "{} "+smuggled), withLines("POST /scim/Users", "Content-Length: 3, 3\r\n", "{} "+smuggled),
		withLines("POST /scim/Users", chunked, "2;a=\nb\r\n{}\r\n0\r\n\r\n"+smuggled), withLines("POST /scim/Users", chunked, "2\n{}\n0\n\n"+smuggled),
		withLines("POST /scim/Users", chunked, "0x2\r\n{}\r\n0\r\n\r\n"), withLines("POST /scim/Users", chunked, "ffffffffffffffff2\r\n{}\r\n0\r\n\r\n"),
		withLines("POST /scim/Bulk", chunked+"Trailer: Authorization\r\n", "2\r\n{}\r\n0\r\nAuthorization: Bearer trailer-canary-1\r\n\r\n"+get),
		withLines("POST /scim/Bulk", chunked, "5\r\n{}"), withLines("POST /scim/Users", "Content-Length: 9\r\nContent-Type: application/json\r\n", "{}"),
		strings.ReplaceAll(get, "\r\n", "\n"), strings.Replace(get, "\r\n\r\n", "\r\n\rX: y\r\n\r\n", 1), strings.Replace(get, " HTTP/1.1", " HTTP/1.0", 1),
		strings.Replace(get, "HTTP/1.1", "HTTP/2.0", 1), strings.Replace(get, "GET /scim", "GET http://elsewhere.example.com/scim", 1), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		strings.Replace(get, "Host: ", "Host: a\r\nHost: ", 1), withLines("GET /scim/Users", "Upgrade: h2c\r\nConnection: Upgrade, Authorization\r\nHTTP2-Settings: AAMA\r\n", ""),
		// Hop-by-hop, forged and unknown headers.
		withLines("GET /scim/Users", "Connection: close, X-Api-Key\r\nX-Api-Key: header-canary-1\r\nX-Forwarded-For: header-canary-1\r\nCookie: header-canary-1\r\nX-Original-URL: /admin\r\n", ""),
		withLines("POST /scim/Users", "Expect: 100-continue\r\nContent-Length: 2\r\n", "{}"), withLines("POST /scim/Users", "Expect: tea\r\nContent-Length: 2\r\n", "{}"),
		withLines("POST /scim/Users", "Content-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 2\r\n", "\x1f\x8b"),
		withLines("GET /scim/Users", "X-Request-Id: a\x1b[31m\r\nX-Azure-Functions-Invocationid: {\"a\"}\r\n", ""), withLines("GET /scim/Users", "X-Request-Id: id-canary-1\r\n", ""),
		// Paths and queries that two parsers may read differently.
		entraCall("GET /scim/../admin"), entraCall("GET /scim/%2e%2e/admin"), entraCall("GET /scim/Users%2f..%2f.."), entraCall("GET /scim/a%252fb"), entraCall("GET //scim//Users"),
		entraCall("GET /scim/Users;a=b"), entraCall("GET /scim/Users/%c0%ae"), entraCall("GET /scim/Users/%00"), entraCall("GET /scimx"), entraCall("GET /scim/Users#a"),
		entraCall("GET /scim/Users?a;b=query-canary-1"), entraCall("GET /scim/Users?%zz"), entraCall("GET /scim/Users?code=query-canary-1&C%6fde=2"), entraCall("GET /scim?"),
		// Bodies.
		entraCall("POST /scim/Users", `{"a":1,"a":2}`), entraCall("POST /scim/Users", "{\"a\":\"\xff\"}"), entraCall("PATCH /scim/Users/1", strings.Repeat(`[`, 200)),
		entraCall("PATCH /scim/Groups/1", patchHead+`{"op":"Remove","path":"members","value":"body-canary-1"},{"op":"remove","path":"members[value eq body-canary-1"}]}`),
		entraCall("POST /scim/Groups", `{"displayName":"`+strings.Repeat("a", 1100)+`"}`), entraCall("POST /scim/Users", strings.Repeat(" ", fuzzMaxBody+1)),
		withLines("POST /scim/Users", chunked, "1001\r\n"+strings.Repeat(" ", 0x1001)+"\r\n0\r\n\r\n"), entraCall("PUT /scim/Groups/x-U3RhZmY", "{}"), entraCall("GET /scim/Groups/x-YQ/more"),
	}
}
