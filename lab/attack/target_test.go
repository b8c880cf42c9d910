package attack

import (
	"strconv"
	"strings"
)

// paths are targets that another parser could read as another path.
func paths() attackClass {
	c := attackClass{name: "Path confusion", guards: "CVE-2022-32190, RFC 3986 section 6.2.2"}
	segments := []string{
		"..", ".", "%2e%2e", "%2E.", ".%2e", "%2e", "..%2f", "%2f", "%2F..", "%5c", "..%5c", "\\", "..\\", "%252e%252e", "%252f", "%255c",
		"%00", "x%00", "x;y=1", "..;", ";", "%3b", "..%3b", "%0d%0a", "%0a", "%09", "%7f", "%c0%ae%c0%ae", "%c0%af", "%e0%80%af", "%ff", "%c1%9c",
		"%uff0e", "%u002e", "%", "%2", "%zz", "%25%32%65", "%23", "x%23y", "%2525", "%1b", "x%2fy",
	}
	for _, s := range segments {
		if strings.Contains(s, "%3b") || strings.Contains(s, "%23") { // means the same to every parser that knows escapes
			c.vectors = append(c.vectors, vector{id: "/" + s + "/", raw: call("GET", "/scim/Users/"+s+"/{mark}", ""), reach: 1})
			continue
		}
		for _, path := range []string{"/" + s + "/x", "/x/" + s} {
			c.vectors = append(c.vectors, vector{id: path, raw: call("GET", "/scim/Users"+path+"?{mark}", ""), resolved: true})
		}
	}
	for _, path := range []string{
		"/scimx/x", "/scim.x", "/scim%2fUsers/x", "/SCIM/Users/x", "/x/scim/Users/x", "/scim;x/Users/x", "/%73cim/Users/x",
		"/scim/../scim/Users/x", "/./scim/Users/x", "/scim../Users/x", "/scim%00/Users/x", "\\scim\\Users\\x", "scim/Users/x", "",
		"/rest/scim/v2/Users/x", "/scim/Users/x\x01", "/scim/Users/x\x00", "/scim/Users/x\u00e9", "/scim/Users/\xe9",
		"/scim/Us\ters/x", "/scim/Users/ x", "//{host}/scim/Users/../../x", "/scim/Users/..", "/scim/Users/x#x", "/scim/Users/#", "/scim/../rest/scim/v2/Users",
	} {
		c.vectors = append(c.vectors, vector{id: path, raw: call("GET", path+"?{mark}", ""), resolved: true})
	}
	for _, target := range []string{"//scim/Users/{mark}", "/scim//Users/{mark}", "/scim/Users//{mark}", "///scim///Users/{mark}", "/scim/Users/{mark}/", "/scim/Users/{mark}//", "/scim/Users/...{mark}"} {
		c.vectors = append(c.vectors, vector{id: target, raw: call("GET", target, ""), reach: 1, may: true})
	}
	return c
}

// queries are those that parsers read differently.
func queries() attackClass {
	c := attackClass{name: "Query smuggling", guards: "CVE-2022-2880, CVE-2026-39825"}
	for _, query := range []string{
		"filter=userName%20eq%20\"a;b\"&count=2", "a=1;b=2", ";", "filter=%", "filter=%zz", "a=%&b=1", "count=1#{hostile}", "%=1", "a=1&%zz=2", "filter=x;count=0",
		"count=1#", "#",
	} {
		c.add(query, 0, call("GET", "{path}?"+query, ""))
	}
	for _, query := range []string{
		"filter=userName+eq+\"{unlogged}\"", "filter=a%00b", "a=1&a=2&a=3", "a[]=1&a[0]=2", "=x", "&&&", "a", "a==b", "a=%26b%3D1", "filter=%0d%0aX-A:%201",
		"%66ilter=x", "filter=%f0%28%8c%28", "filter=a?b/c", "x=%3B", "?a=1", "filter=%1b[31m{unlogged}", "a=" + strings.Repeat("x", 4000),
	} {
		c.vectors = append(c.vectors, vector{id: "passes whole: " + short(query), raw: call("GET", "{path}?"+query, ""), reach: 1, query: query})
	}
	for _, count := range []int{2000, 5000} { // beyond any limit of a parser, within that of the header
		query := strings.TrimSuffix(strings.Repeat("a&", count), "&")
		c.vectors = append(c.vectors, vector{id: strconv.Itoa(count) + " parameters", guards: "CVE-2025-61726", raw: call("GET", "{path}?"+query, ""), reach: 1, query: query})
	}
	return c
}

// hosts are names of a host that could lead elsewhere.
func hosts() attackClass {
	c := attackClass{name: "Host", guards: "CVE-2023-29406, CVE-2026-25679, CVE-2025-47912, RFC 9112 section 3.2"}
	tail := "\r\n{auth}\r\n\r\n"
	for _, host := range []string{
		"169.254.169.254", "scim.corp.example.com", "localhost", "", "{hostile}.example.com", "user@{host}", "{host}:1", "[::1]", "[::1%25eth0]",
	} {
		c.vectors = append(c.vectors, vector{id: "Host: " + host, raw: "GET {path} HTTP/1.1\r\nHost: " + host + tail, reach: 1, may: true})
	}
	for _, lines := range []string{
		"X: y", "Host: {host}\r\nHost: {hostile}", "Host: {host}\r\nHost: {host}", "Host: {host}, {hostile}", "Host: {host}/{hostile}", "Host: {host}\r\n {hostile}\r\n", "Host : {host}",
		"Host: {host}\x00{hostile}", "Host: {host} {hostile}", "Host: {host}\\{hostile}", "host: {host}\r\nhOST: {hostile}", "Host: {hostile}\x01", "Host: <{hostile}>",
		"Host: \"{hostile}\"", "Host: {host}#{hostile}", "Host: {host}\rHost: {hostile}", "\tHost: {host}", "Host\x0b: {host}",
	} {
		c.add(lines, 0, "GET {path} HTTP/1.1\r\n"+lines+tail)
	}
	for _, target := range []string{
		"http://169.254.169.254{path}", "http://{host}{path}", "https://scim.corp.example.com{path}", "http://{hostile}.example.com{path}", "ftp://{host}{path}",
	} {
		c.vectors = append(c.vectors, vector{id: target, guards: "RFC 9112 section 3.2.2 (COMP-ABSOLUTE-FORM, SMUG-ABSOLUTE-URI-HOST-MISMATCH)", raw: "GET " + target + " HTTP/1.1\r\nHost: {host}" + tail, reach: 1, may: true})
	}
	for _, target := range []string{
		"http://{host}@169.254.169.254{path}/..", "http:///x", "http:x", "//169.254.169.254/x", "http://[::1{path}", "http://{host}:x{path}", "file:///etc/passwd",
		"http://[fe80::1%25en0]/x", "{host}/x", "javascript:x", "http://{host}", "http://{host}\\@{hostile}/x", "http://\x00{path}", "http://{host}{path}/../..",
	} {
		c.vectors = append(c.vectors, vector{id: target, raw: "GET " + target + "?{mark} HTTP/1.1\r\nHost: {host}" + tail, resolved: true})
	}
	c.vectors = append(c.vectors, vector{id: "HTTP/1.0 without Host (COMP-HTTP10-NO-HOST)", raw: "GET {path} HTTP/1.0\r\n{auth}\r\n\r\n", reach: 1, last: true})
	return c
}
