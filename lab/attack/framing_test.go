package attack

import (
	"fmt"
	"strings"
)

// post is a call with a body.
func post(lines, body string) string {
	return call("POST", "{path}", "Content-Type: application/scim+json\r\n"+lines) + body
}

const (
	// poison is what an attacker leaves behind a body: the next call's first
	// line ends up in its field, and the next call's token counts for it.
	poison = "GET {smuggled} HTTP/1.1\r\nHost2: {host}\r\nX-Pad: "
	// embedded is a whole call within a body.
	embedded = "GET {smuggled} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n\r\n"
	chunked  = "Transfer-Encoding: chunked\r\n"
	// hello is a body in one chunk.
	hello = "5\r\nhello\r\n0\r\n\r\n"
)

// length is a line of the header with the length of what fill makes of a text.
func length(text string) string { return "Content-Length: {length:" + text + ":length}\r\n" }

// contentLengths are lengths that parsers read differently.
func contentLengths() attackClass {
	c := attackClass{name: "Content-Length", guards: "CVE-2019-16276, RFC 9112 section 6.3 (SMUG-CL-*, SMUG-DUPLICATE-CL, MAL-CL-*, NORM-*-CL)"}
	for _, row := range []struct{ id, lines string }{
		{"SMUG-DUPLICATE-CL", "Content-Length: 5\r\nContent-Length: 10\r\n"}, {"the other way round", "Content-Length: 10\r\nContent-Length: 5\r\n"},
		{"SMUG-CL-COMMA-DIFFERENT", "Content-Length: 5, 10\r\n"}, {"SMUG-CL-COMMA-SAME", "Content-Length: 5, 5\r\n"}, {"SMUG-CL-COMMA-TRIPLE", "Content-Length: 5, 5, 5\r\n"},
		{"SMUG-CL-NEGATIVE", "Content-Length: -1\r\n"}, {"SMUG-CL-NEGATIVE-ZERO", "Content-Length: -0\r\n"}, {"SMUG-CL-OCTAL", "Content-Length: 0o5\r\n"},
		{"SMUG-CL-HEX-PREFIX", "Content-Length: 0x5\r\n"}, {"SMUG-CL-INTERNAL-SPACE", "Content-Length: 1 0\r\n"}, {"SMUG-CL-UNDERSCORE", "Content-Length: 1_0\r\n"},
		{"RFC9112-6.1-CL-PLUS-SIGN", "Content-Length: +5\r\n"}, {"RFC9112-6.1-CL-NON-NUMERIC", "Content-Length: abc\r\n"}, {"MAL-CL-EMPTY", "Content-Length: \r\n"},
		{"MAL-CL-OVERFLOW", "Content-Length: 99999999999999999999\r\n"}, {"wraps to 5 in 64 bits", "Content-Length: 18446744073709551621\r\n"},
		{"a fraction", "Content-Length: 5.0\r\n"}, {"an exponent", "Content-Length: 5e0\r\n"}, {"in quotes", "Content-Length: \"5\"\r\n"},
		{"full-width digits", "Content-Length: \uff15\r\n"}, {"NUL", "Content-Length: 5\x00\r\n"}, {"vertical tab", "Content-Length: \x0b5\r\n"}, {"two, one empty", "Content-Length: 5\r\nContent-Length:\r\n"},
		{"folded (RFC9112-5.1-OBS-FOLD)", "Content-Length: 5\r\n 0\r\n"}, {"space before the colon (NORM-SP-BEFORE-COLON-CL)", "Content-Length: 11\r\nContent-Length : 5\r\n"},
		{"NORM-TAB-IN-NAME", "Content-Length: 11\r\nContent\tLength: 99\r\n"}, {"bare CR (SMUG-BARE-CR-HEADER-VALUE)", "Content-Length: 5\r\nX-Test: val\rContent-Length: 0\r\n"},
		{"bare CR before", "X-Test: v\rContent-Length: 50\r\nContent-Length: 5\r\n"}, {"no name", ": 5\r\nContent-Length: 5\r\n"}, {"with a semicolon", "Content-Length: 5;a=b\r\n"},
	} {
		c.vectors = append(c.vectors, vector{id: row.id, raw: post(row.lines, "hello"+poison), last: true})
	}
	for _, row := range []struct{ id, lines string }{
		{"SMUG-CL-TRAILING-SPACE", "Content-Length: 5 \r\n"}, {"SMUG-CL-EXTRA-LEADING-SP", "Content-Length:  5\r\n"}, {"MAL-CL-TAB-BEFORE-VALUE", "Content-Length:\t5\r\n"},
		{"SMUG-CL-LEADING-ZEROS", "Content-Length: 005\r\n"}, {"SMUG-CL-UNDERSCORE in the name (NORM-UNDERSCORE-CL)", "Content-Length: 5\r\nContent_Length: 99\r\n"},
		{"twice the same", "Content-Length: 5\r\nContent-Length: 5\r\n"}, {"RFC9112-2.2-BARE-LF-HEADER", "Content-Length: 5\nX-Test: {hostile}\r\n"}, {"COMP-RANGE-POST", "Content-Length: 5\r\nRange: bytes=0-10\r\n"},
	} {
		c.vectors = append(c.vectors, vector{id: row.id, raw: post(row.lines, "hello"), reach: 1, body: "hello"})
	}
	octal := strings.Repeat("A", 200)
	c.vectors = append(c.vectors,
		vector{id: "SMUG-CL-LEADING-ZEROS-OCTAL", raw: post("Content-Length: 0200\r\n", octal), reach: 1, body: octal},
		vector{id: "SMUG-CL-DOUBLE-ZERO", raw: post("Content-Length: 00\r\n", ""), reach: 1},
		vector{id: "COMP-POST-NO-CL-NO-TE", raw: post("", ""), reach: 1},
		vector{id: "SMUG-CL0-BODY-POISON", raw: post("Content-Length: 0\r\n", "X"), reach: 1, swallows: true},
		vector{id: "COMP-POST-CL-UNDERSEND", raw: post("Content-Length: 10\r\n", "hello"), reach: 1, broken: true, may: true, cut: true},
		vector{id: "wraps to 5 in 32 bits", raw: post("Content-Length: 4294967301\r\n", "hello"+poison), cut: true},
		vector{id: "MAL-POST-CL-HUGE-NO-BODY", raw: post("Content-Length: 999999999\r\n", ""), cut: true},
	)
	for _, method := range []string{"GET", "HEAD", "DELETE", "PUT", "PATCH"} {
		body := embedded
		c.vectors = append(c.vectors, vector{
			id: "SMUG-" + method + "-CL-BODY-DESYNC, a call within the body", reach: 1, whole: true,
			raw: call(method, "{path}", length(body)) + body,
		}, vector{
			id: "SMUG-" + method + "-CL-PREFIX-DESYNC", reach: 1, whole: true, raw: call(method, "{path}", length(poison)) + poison,
		})
	}
	c.vectors = append(c.vectors,
		vector{id: "SMUG-OPTIONS-CL-BODY-DESYNC", raw: call("OPTIONS", "{path}", length(embedded)) + embedded},
		vector{id: "a refused path, a call within the body", raw: call("POST", "/scim/../{mark}", length(embedded)) + embedded},
		vector{id: "no token, a call within the body", raw: "POST {path} HTTP/1.1\r\nHost: {host}\r\n" + length(embedded) + "\r\n" + embedded},
		vector{id: "SMUG-PIPELINE-SAFE", raw: get("") + get(""), reach: 2},
		vector{id: "a call after one that is refused", raw: call("GET", "/scim/../{mark}", "") + get(""), reach: 1},
	)
	return c
}

// transferEncodings are codings beside a length, or in a form that only some
// parsers know.
func transferEncodings() attackClass {
	c := attackClass{name: "Transfer-Encoding", guards: "CVE-2019-16276, CVE-2022-1705, RFC 9112 section 6.1 (SMUG-TE-*, SMUG-CLTE-*, SMUG-TECL-*, NORM-*-TE)"}
	for _, row := range []struct{ id, value string }{
		{"SMUG-TE-XCHUNKED", ": xchunked"}, {"SMUG-TE-SP-BEFORE-COLON", " : chunked"}, {"SMUG-TE-DOUBLE-CHUNKED", ": chunked, chunked"}, {"SMUG-TE-NOT-FINAL-CHUNKED", ": chunked, gzip"},
		{"gzip, chunked", ": gzip, chunked"}, {"SMUG-TE-EMPTY-VALUE", ":"}, {"SMUG-TE-LEADING-COMMA", ": , chunked"}, {"SMUG-TE-TRAILING-COMMA", ": chunked,"},
		{"SMUG-TE-DUPLICATE-HEADERS", ": chunked\r\nTransfer-Encoding: identity"}, {"identity, then chunked", ": identity\r\nTransfer-Encoding: chunked"}, {"SMUG-TE-VTAB", ": \x0bchunked"},
		{"SMUG-TE-FORMFEED", ": \x0cchunked"}, {"SMUG-TE-NULL", ": chunked\x00"}, {"SMUG-TE-IDENTITY", ": identity"}, {"SMUG-CHUNKED-WITH-PARAMS", ": chunked;ext=val"},
		{"COMP-UNKNOWN-TE-501", ": gzip"}, {"in quotes", ": \"chunked\""}, {"cut short", ": chunke"}, {"full-width letters", ": \uff43hunked"}, {"Kelvin sign", ": chun\u212aed"},
		{"bare CR", ": chunked\rX: y"}, {"tab before the colon", "\t: chunked"}, {"twice chunked", ": chunked\r\nTransfer-Encoding: chunked"}, {"NUL in the name", "\x00: chunked"},
		{"cow", ": cow\r\nTransfer-Encoding: chunked"}, {"chunked, identity", ": chunked, identity"}, {"deflate", ": deflate"}, {"two values with a space", ": chunked chunked"},
	} {
		lines := "Transfer-Encoding" + row.value + "\r\n"
		c.vectors = append(c.vectors,
			vector{id: row.id, raw: post(lines+"Content-Length: 5\r\n", "0\r\n\r\n"+poison), last: true},
			vector{id: row.id + ", no length", raw: post(lines, "0\r\n\r\n"+poison), last: true},
			vector{id: row.id + ", a call within the body (SMUG-CLTE-SMUGGLED-GET-*)", raw: post(lines+length("0\r\n\r\n"+embedded), "0\r\n\r\n"+embedded), last: true},
		)
	}
	// Those are chunked, and count; a length beside them does not, and no call
	// may follow (RFC 9112 section 6.1).
	for _, row := range []struct{ id, lines string }{
		{"SMUG-CLTE-PIPELINE", chunked}, {"SMUG-TE-TRAILING-SPACE", "Transfer-Encoding: chunked \r\n"}, {"SMUG-TE-CASE-MISMATCH", "Transfer-Encoding: Chunked\r\n"}, {"NORM-CASE-TE", "TRANSFER-ENCODING: chunked\r\n"},
		{"SMUG-TE-TAB-BEFORE-VALUE", "Transfer-Encoding:\tchunked\r\n"}, {"SMUG-TE-OBS-FOLD", "Transfer-Encoding:\r\n chunked\r\n"}, {"bare LF", "Transfer-Encoding: chunked\nX-Test: {hostile}\r\n"},
	} {
		for _, at := range []struct{ id, before, after string }{{"CL.TE", "Content-Length: 5\r\n", ""}, {"TE.CL", "", "Content-Length: 30\r\n"}} {
			lines := at.before + row.lines + at.after
			c.vectors = append(c.vectors,
				vector{id: row.id + " " + at.id + " (SMUG-CL-TE-BOTH)", raw: post(lines, hello), reach: 1, body: "hello", last: true},
				vector{id: row.id + " " + at.id + ", a call after it (SMUG-CLTE-DESYNC, SMUG-TECL-DESYNC)", raw: post(lines, hello+poison), reach: 1, body: "hello", last: true},
			)
		}
		te := fmt.Sprintf("%x\r\n", 200)
		pad := strings.Repeat("x", 200)
		c.vectors = append(c.vectors, vector{id: row.id + ", a chunk that a length would end (SMUG-TECL-SMUGGLED-GET)", reach: 1, last: true, body: pad, raw: post(row.lines+length(te), te+pad+"\r\n0\r\n\r\n")})
	}
	old := "POST {path} HTTP/1.0\r\nHost: {host}\r\n{auth}\r\nConnection: keep-alive\r\n"
	c.vectors = append(c.vectors,
		vector{id: "SMUG-TE-HTTP10", raw: old + chunked + "Content-Length: 5\r\n\r\n0\r\n\r\n" + poison, reach: 1, may: true, last: true},
		vector{id: "SMUG-TE-HTTP10, no length", raw: old + chunked + "\r\n" + poison, reach: 1, may: true, last: true},
		vector{id: "SMUG-TRANSFER_ENCODING (NORM-UNDERSCORE-TE)", raw: post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", "hello"), reach: 1, body: "hello"},
		vector{id: "SMUG-CLTE-SMUGGLED-HEAD", raw: post(chunked+"Content-Length: 5\r\n", "0\r\n\r\nHEAD {smuggled} HTTP/1.1\r\nX-Pad: "), reach: 1, last: true},
		vector{id: "SMUG-OPTIONS-TE-OBS-FOLD", raw: call("OPTIONS", "{path}", "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n") + hello + poison, last: true},
		vector{id: "no token", raw: "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n" + chunked + "\r\n" + "0\r\n\r\n" + poison, last: true},
	)
	return c
}
