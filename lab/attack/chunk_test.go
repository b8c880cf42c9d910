package attack

import "strings"

// chunks are bodies in chunks that parsers take apart differently.
func chunks() attackClass {
	c := attackClass{name: "Chunked bodies", guards: "CVE-2025-22871, CVE-2023-39326, RFC 9112 section 7.1 (SMUG-CHUNK-*, MAL-CHUNK-*)"}
	for _, row := range []struct{ id, body string }{
		{"SMUG-CHUNK-UNDERSCORE", "1_0\r\nhello world!!!!!\r\n0\r\n\r\n"}, {"SMUG-CHUNK-HEX-PREFIX", "0x5\r\nhello\r\n0\r\n\r\n"}, {"SMUG-CHUNK-SIZE-PLUS", "+5\r\nhello\r\n0\r\n\r\n"},
		{"SMUG-CHUNK-LEADING-SP", " 5\r\nhello\r\n0\r\n\r\n"}, {"SMUG-CHUNK-MISSING-TRAILING-CRLF", "5\r\nhello0\r\n\r\n"}, {"SMUG-CHUNK-SPILL", "5\r\nhello!!\r\n0\r\n\r\n"},
		{"SMUG-CHUNK-LF-TERM", "5\r\nhello\n0\r\n\r\n"}, {"SMUG-CHUNK-EXT-LF", "5;\nhello\r\n0\r\n\r\n"}, {"CVE-2025-22871", "5\nhello\r\n0\r\n\r\n"}, {"bare LF at the end", "5\r\nhello\r\n0\n\r\n"},
		{"SMUG-CHUNK-EXT-CR", "5;a\rX\r\nhello\r\n0\r\n\r\n"}, {"SMUG-CHUNK-BARE-CR-TERM", "5\rhello\r\n0\r\n\r\n"}, {"SMUG-CHUNK-NEGATIVE", "-1\r\nhello\r\n0\r\n\r\n"},
		{"MAL-CHUNK-SIZE-OVERFLOW", "FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n"}, {"wraps to 5 in 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"}, {"no digits", "\r\nhello\r\n0\r\n\r\n"},
		{"SMUG-CHUNK-INVALID-SIZE-DESYNC", "+0\r\n\r\n"}, {"a letter that is no digit", "5g\r\nhello\r\n0\r\n\r\n"}, {"full-width digit", "\uff15\r\nhello\r\n0\r\n\r\n"}, {"NUL in the size", "5\x00\r\nhello\r\n0\r\n\r\n"},
		{"MAL-CHUNK-EXT-64K", "5;ext=" + strings.Repeat("a", 65_536) + "\r\nhello\r\n0\r\n\r\n"}, {"many small extensions (CVE-2023-39326)", strings.Repeat("1;"+strings.Repeat("a", 3000)+"\r\nx\r\n", 50) + "0\r\n\r\n"},
		{"two hundred zeros", strings.Repeat("0", 200) + "5\r\nhello\r\n0\r\n\r\n"}, {"in quotes", "\"5\"\r\nhello\r\n0\r\n\r\n"}, {"comma", "5,5\r\nhello\r\n0\r\n\r\n"},
	} {
		c.vectors = append(c.vectors,
			vector{id: row.id, raw: post(chunked, row.body+poison), broken: true, may: true, last: true},
			vector{id: row.id + ", a length beside it", raw: post(chunked+"Content-Length: 5\r\n", row.body+poison), broken: true, last: true},
		)
	}
	for _, row := range []struct{ id, body, want string }{
		{"SMUG-CHUNK-BARE-SEMICOLON", "5;\r\nhello\r\n0\r\n\r\n", "hello"}, {"SMUG-CHUNK-EXT-INVALID-TOKEN", "5;bad[=x\r\nhello\r\n0\r\n\r\n", "hello"}, {"SMUG-CHUNK-EXT-CTRL", "5;\x00ext\r\nhello\r\n0\r\n\r\n", "hello"},
		{"SMUG-CHUNK-SIZE-TRAILING-OWS", "5 \r\nhello\r\n0\r\n\r\n", "hello"}, {"COMP-CHUNKED-EXTENSION", "5;ext=value\r\nhello\r\n0\r\n\r\n", "hello"}, {"COMP-CHUNKED-MULTI", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
		{"COMP-CHUNKED-HEX-UPPERCASE", "A\r\nhelloworld\r\n0\r\n\r\n", "helloworld"}, {"leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello"}, {"an extension of the last chunk", "5\r\nhello\r\n0;{hostile}\r\n\r\n", "hello"},
		{"SMUG-CHUNK-LF-TRAILER", "5\r\nhello\r\n0\r\n\n", "hello"}, {"a chunk that looks like the end", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"},
	} {
		c.vectors = append(c.vectors, vector{id: row.id, raw: post(chunked, row.body), reach: 1, may: true, broken: true, body: row.want, last: true})
	}
	c.vectors = append(c.vectors,
		vector{id: "COMP-CHUNKED-NO-FINAL", raw: post(chunked, "5\r\nhello\r\n"), broken: true, cut: true},
		vector{id: "ends within a chunk", raw: post(chunked, "50\r\nhello"), broken: true, cut: true},
		vector{id: "ends before its last line", raw: post(chunked, "5\r\nhello\r\n0\r\n"), broken: true, cut: true},
		vector{id: "HEAD in chunks", raw: call("HEAD", "{path}", chunked) + hello + poison, reach: 1, may: true, last: true},
		vector{id: "GET in chunks", raw: call("GET", "{path}", chunked) + hello + poison, reach: 1, may: true, last: true},
	)
	return c
}

// trailers are fields behind a body.
func trailers() attackClass {
	c := attackClass{name: "Trailers", guards: "RFC 9110 section 6.5.1 (SMUG-TRAILER-*)"}
	for _, row := range []struct{ id, field string }{
		{"SMUG-TRAILER-CL", "Content-Length: 50"}, {"SMUG-TRAILER-TE", "Transfer-Encoding: chunked"}, {"SMUG-TRAILER-HOST", "Host: {hostile}"}, {"SMUG-TRAILER-AUTH", "Authorization: Bearer {hostile}"},
		{"SMUG-TRAILER-CONTENT-TYPE", "Content-Type: text/{hostile}"}, {"COMP-CHUNKED-TRAILER-VALID", "X-Checksum: {hostile}"}, {"X-Forwarded-For", "X-Forwarded-For: {hostile}"}, {"If-Match", "If-Match: \"{hostile}\""},
		{"X-Request-Id", "X-Request-Id: {unlogged}"}, {"invocation id", "X-Azure-Functions-InvocationId: {hostile}"}, {"Entra's token", "Authorization: Bearer {token}"},
	} {
		name, _, _ := strings.Cut(row.field, ":")
		body := "5\r\nhello\r\n0\r\n" + row.field + "\r\n\r\n"
		c.vectors = append(c.vectors,
			vector{id: row.id, raw: post(chunked, body), reach: 1, may: true, broken: true, body: "hello", last: true},
			vector{id: row.id + ", announced", raw: post(chunked+"Trailer: "+name+"\r\n", body), reach: 1, may: true, broken: true, body: "hello", last: true},
		)
	}
	for _, row := range []struct{ id, trailer string }{
		{"no colon", "{hostile}"}, {"a bare name", ": {hostile}"}, {"a blank in the name", "X Y: {hostile}"}, {"a control character", "X: \x01{hostile}"}, {"folded first", " X: {hostile}"}, {"8 KiB", "X: " + strings.Repeat("a", 8192)},
	} {
		c.vectors = append(c.vectors, vector{id: row.id, raw: post(chunked, "5\r\nhello\r\n0\r\n"+row.trailer+"\r\n\r\n"+poison), reach: 1, may: true, broken: true, last: true})
	}
	return c
}
