package attack

import (
	"fmt"
	"strings"
)

// get is a plain call with further lines of the header.
func get(lines string) string { return call("GET", "{path}", lines) }

// call has a method, a target and further lines of the header.
func call(method, target, lines string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n" + lines + "\r\n"
}

// hopByHop are fields that a client has a proxy drop.
func hopByHop() attackClass {
	c := attackClass{name: "Hop-by-hop fields", guards: "CVE-2021-33197, RFC 9110 section 7.6.1"}
	for _, named := range []string{
		"Authorization", "authorization", "User-Agent", "Host", "Content-Length", "Content-Type", "X-Forwarded-For",
		"keep-alive, authorization", "Traceparent", "X-Azure-Functions-InvocationId", "TE, Authorization",
		"Authorization\r\nConnection: Authorization", ", ,Authorization,", "{hostile}", "Transfer-Encoding",
	} {
		c.add("Connection: "+named, 1, get("Connection: "+named+"\r\n"))
	}
	for _, field := range []string{
		"Keep-Alive: timeout=600, {hostile}", "Proxy-Connection: {hostile}", "Proxy-Authorization: Basic {hostile}",
		"Proxy-Authenticate: {hostile}", "TE: trailers, {hostile}", "Trailer: {hostile}", "Upgrade: {hostile}",
	} {
		c.add(field, 1, get(field+"\r\n"))
		name, _, _ := strings.Cut(field, ":")
		c.add("Connection: "+name+", "+field, 1, get("Connection: "+name+"\r\n"+field+"\r\n"))
	}
	c.vectors = append(c.vectors, vector{id: "Connection: close, Host, Authorization", reach: 1, last: true,
		raw: get("Connection: close, Host, Authorization\r\n")})
	return c
}

// forwardedBy are fields by which a client tells what only a proxy in front
// could.
func forwardedBy() attackClass {
	c := attackClass{name: "Forged forwarding fields", guards: "CVE-2022-32148"}
	for _, name := range []string{
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server",
		"X-Forwarded-Path", "Forwarded", "Via", "X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Original-URL", "X-Rewrite-URL",
		"X-Original-Host", "X-Host", "X-Forwarded-By", "Disguised-Host", "X-Arr-SSL", "X-Arr-LogId", "X-SITE-DEPLOYMENT-ID",
		"WAS-DEFAULT-HOSTNAME", "CLIENT-IP", "X-Client-Port", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-Azure-FDID", "X-WAWS-Unencoded-URL",
	} {
		c.add(name, 1, get(name+": {hostile}\r\n"))
	}
	for _, value := range []string{"for=127.0.0.1;host={hostile};proto=http", "for=\"[::1]:80\", for={hostile}"} {
		c.add("Forwarded: "+value, 1, get("Forwarded: "+value+"\r\n"))
	}
	c.add("X-Forwarded-For and Connection", 1, get("X-Forwarded-For: {hostile}\r\nConnection: X-Forwarded-For\r\n"))
	return c
}

// forgedHost are what only the Functions host or the platform may say.
func forgedHost() attackClass {
	c := attackClass{name: "Forged words of the platform", guards: "OWASP API2:2023"}
	for _, field := range []string{
		"X-Azure-Functions-InvocationId: {hostile} \"", "X-Azure-Functions-Hostversion: {hostile}", "X-Ms-Invocation-Id: {hostile}",
		"X-Functions-Key: {hostile}", "X-Ms-Client-Principal: {hostile}", "X-Ms-Client-Principal-Id: {hostile}", "X-Ms-Client-Principal-Name: {hostile}",
		"X-Ms-Token-Aad-Access-Token: {hostile}", "X-Ms-Request-Id: {hostile}", "X-Ms-Site-Restricted-Token: {hostile}",
		"X-Ms-Original-Url: {hostile}", "X-Zumo-Auth: {hostile}", "X-Api-Key: {hostile}", "Cookie: ARRAffinity={hostile}", "Metadata: {hostile}",
		"X-Identity-Header: {hostile}", "X_Forwarded_For: {hostile}", "X_Functions_Key: {hostile}",
	} {
		c.add(field, 1, get(field+"\r\n"))
	}
	for _, query := range []string{"code={hostile}", "count=1&code={hostile}", "CODE={hostile}", "c%6fde={hostile}", "code={hostile}&code={hostile}"} {
		c.add("?"+query, 1, call("GET", "{path}?"+query, ""))
	}
	for _, path := range []string{"/", "/admin/host/status", "/runtime/webhooks", "/api/scim/Users", "/scim/../admin/{mark}"} {
		c.vectors = append(c.vectors, vector{id: path, raw: call("GET", path, "X-Azure-Functions-InvocationId: a\r\n")})
	}
	c.vectors = append(c.vectors, vector{id: "the host's ping with a token", raw: call("GET", "/", ""), ping: true})
	return c
}

// requestIDs are identities of calls that a client makes up.
func requestIDs() attackClass {
	c := attackClass{name: "Forged request ids", guards: "CWE-117, RFC 7644 section 3.12"}
	for _, name := range []string{"X-Request-Id", "X-Azure-Functions-InvocationId"} {
		for _, value := range []string{
			"{unlogged} x", "{unlogged}\"}", "{unlogged}\\n", "{unlogged}<script>", "{unlogged}%0d%0a", "{unlogged}{\"level\":\"error\"}",
			"{unlogged}" + strings.Repeat("a", 60), "{unlogged}\u00e9", "{unlogged}\tx", "/{unlogged}", "../{unlogged}", "{unlogged};",
		} {
			c.add(name+": "+value, 0, "GET /scim/Users/%2e%2e/{mark} HTTP/1.1\r\nHost: {host}\r\n"+name+": "+value+"\r\n\r\n")
		}
	}
	for _, value := range []string{"a", "00000000-0000-0000-0000-000000000000", "a\r\nX-Request-Id: b"} {
		c.add("X-Request-Id twice: "+value, 2, get("X-Request-Id: "+value+"\r\n")+get("X-Request-Id: "+value+"\r\n"))
	}
	return c
}

// methodsAsked are methods that the proxy does not serve, and ways to ask for
// one that it was not asked for.
func methodsAsked() attackClass {
	c := attackClass{name: "Methods", guards: "RFC 9110 section 9, CWE-650"}
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method", "X-Original-Method"} {
		c.add(name, 1, get(name+": DELETE{hostile}\r\n"))
	}
	for _, method := range []string{
		"TRACE", "OPTIONS", "CONNECT", "PROPFIND", "TRACK", "DEBUG", "SEARCH", "PURGE", "MOVE", "PRI", "QUERY", "get", "Get", "gET",
		"{hostile}", "GET/", "PATCH.", "A" + strings.Repeat("B", 1000),
	} {
		c.add(method, 0, call(method, "{path}", ""))
		c.add(method+" with a body", 0, call(method, "{path}", "Content-Length: 5\r\n")+"hello")
	}
	for _, method := range []string{"CONNECT", "OPTIONS", "TRACE", "GET", "POST"} {
		for _, target := range []string{"*", "169.254.169.254:80", "{host}", "scim.corp.example.com:443", "http://169.254.169.254/{mark}"} {
			if method == "GET" && strings.HasPrefix(target, "http") {
				continue // see Host
			}
			c.add(method+" "+target, 0, call(method, target, ""))
		}
	}
	return c
}

// credentials are tokens in a form in which they must not count.
func credentials() attackClass {
	c := attackClass{name: "Credentials out of place", guards: "RFC 6750 section 2, OWASP API2:2023"}
	head := "GET {path} HTTP/1.1\r\nHost: {host}\r\n"
	for i, lines := range []string{
		"", "Authorization:\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer  \x20\r\n", "Authorization: {token}\r\n", "Authorization: Basic {token}\r\n",
		"Authorization: Bearer{token}\r\n", "Authorization: Bearer\t{token}\r\n", "Authorization: Bearer {token},\r\n", "Authorization: Bearer {token}x\r\n",
		"Authorization: Bearer {token} {hostile}\r\n", "Authorization: Bearer \"{token}\"\r\n", "{auth}\r\n{auth}\r\n", "{auth}\r\nAuthorization: Bearer {hostile}\r\n",
		"Authorization: Bearer {hostile}\r\n{auth}\r\n", "{auth}, Bearer {hostile}\r\n", "Proxy-{auth}\r\n", "X-{auth}\r\n", "X-Ms-Token: {token}\r\n",
		"Cookie: access_token={token}\r\n", "Authorization : Bearer {token}\r\n", "Authorization: Bearer\r\n {token}x\r\n", "Authorization: Bearer \x00{token}\r\n",
		"Authorization\x00: Bearer {token}\r\n", "Authorization: Negotiate {token}\r\n", "Authorization: Bearer null\r\n", "Authorization: Bearer undefined\r\n",
		"Authorization: Bearer " + strings.Repeat("a", 8000) + "\r\n", "Authorization: Digest username=\"{hostile}\"\r\n",
	} {
		c.add(fmt.Sprint(i, ", ", short(lines)), 0, head+lines+"\r\n")
	}
	for _, target := range []string{"{path}?access_token={token}", "{path}?code={token}", "{path}?authorization=Bearer%20{token}"} {
		c.add(target, 0, "GET "+target+" HTTP/1.1\r\nHost: {host}\r\n\r\n")
	}
	c.add("userinfo of the target", 0, "GET http://x:{token}@{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
	c.add("in the body", 0, "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 57\r\n\r\naccess_token={token}x")
	return c
}

// short is a text as a part of a name.
func short(text string) string {
	if text == "" {
		return "none"
	}
	return strings.TrimSpace(text[:min(len(text), 60)])
}
