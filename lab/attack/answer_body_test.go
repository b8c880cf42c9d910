package attack

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync"
)

// zipped is a text in gzip, times over.
func zipped(text string, times int) string {
	var out bytes.Buffer
	writer, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	for range times {
		if err == nil {
			_, err = io.WriteString(writer, text)
		}
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		panic(err) // in memory
	}
	return out.String()
}

// typed is an answer with a status, further header lines and a body.
func typed(status int, body string, lines ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d Word\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\n", status, len(body)) +
		strings.Join(append(lines, ""), "\r\n") + "\r\n" + body
}

// codingVectors are answers that are small on the wire, or not in the coding
// that they claim. Nobody but isSCIMError decodes an answer. They are made once, because that takes long.
var codingVectors = sync.OnceValue(func() []answerVector {
	const coded = "Content-Encoding: gzip"
	const errorBegin = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"`
	bomb := zipped(strings.Repeat(" ", 1<<20), 24)
	deep := zipped(strings.Repeat("[", 1<<20), 10)
	nested := zipped(bomb, 1)
	good := zipped(scimError, 1)
	long := zipped(errorBegin+strings.Repeat("a", 1<<20), 24)
	return []answerVector{
		{id: "gzip-bomb", guards: "CVE-2022-30631", says: typed(200, bomb, coded), want: passed(200, bomb), stay: true},
		{id: "gzip-bomb-excluding", guards: "CVE-2022-30631", query: "?excludedAttributes=members", says: typed(200, bomb, coded), want: passed(200, bomb), stay: true},
		{id: "gzip-bomb-error", guards: "CVE-2022-30631", query: "?filter=userName%20eq%20%22a%22", says: typed(404, bomb, coded), want: passed(404, bomb), stay: true},
		{id: "gzip-bomb-forbidden", guards: "CVE-2022-30631", says: typed(403, bomb, coded), want: failed("forbidden")},
		{id: "gzip-deep-forbidden", guards: "CVE-2022-30631, CVE-2022-30635", says: typed(403, deep, coded), want: failed("forbidden")},
		{id: "gzip-nested-forbidden", guards: "CVE-2022-30631", says: typed(403, nested, coded+", gzip"), want: failed("forbidden")},
		{id: "gzip-long-forbidden", guards: "CVE-2022-30631", says: typed(403, long, coded), want: failed("forbidden")},
		{id: "gzip-forbidden", guards: "RFC 9110 8.4", says: typed(403, good, coded), want: passed(403, good)},
		{id: "gzip-cut-forbidden", guards: "CVE-2022-30631", says: typed(403, good[:len(good)/2], coded), want: failed("forbidden")},
		{id: "gzip-that-is-none", guards: "RFC 9110 8.4", says: typed(403, scimError, coded), want: failed("forbidden")},
		{id: "coding-that-is-none", guards: "RFC 9110 8.4", says: typed(403, scimError, "Content-Encoding: canary"), want: failed("forbidden")},
		{id: "unknown-coding", guards: "RFC 9110 8.4", says: typed(200, "\x00\xff", "Content-Encoding: x-unknown"), want: passed(200, "\x00\xff"), stay: true},
		{id: "wrong-coding", guards: "RFC 9110 8.4", says: typed(200, "{}", coded), want: passed(200, "{}"), stay: true},
	}
})

// bombVectors are bodies that cost a reader more than they look, with all rules
// that read answers at work. They are made once: they are large.
var bombVectors = sync.OnceValue(func() []answerVector {
	const excluding = "?excludedAttributes=members"
	const list = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Resources":[`
	same := func(id, guards, query, body string) answerVector {
		return answerVector{id: id, guards: guards, query: query, says: typed(200, body), want: passed(200, body)}
	}
	members := strings.Repeat(`{"value":"0f8fad5b-d9cb-469f-a165-70867728950e"},`, 1<<20)
	group := `{"id":"1","members":[` + strings.TrimSuffix(members, ",") + `],"displayName":"Engineering"}`
	const mebi = 1 << 20
	return []answerVector{
		same("deep-lists", "CVE-2022-30635", excluding, strings.Repeat("[", mebi)+strings.Repeat("]", mebi)),
		same("deep-objects", "CVE-2022-30635", excluding, strings.Repeat(`{"a":`, mebi)+"1"+strings.Repeat("}", mebi)),
		same("deep-resources", "CVE-2022-30635", "", list+strings.Repeat(`{"Resources":[`, mebi/4)+strings.Repeat("]}", mebi/4)+"]}"),
		same("deep-without-end", "CVE-2022-30635", excluding, strings.Repeat("[{", mebi)),
		same("wide-object", "RFC 8259 4", excluding, `{"a":1`+strings.Repeat(`,"b":2`, mebi)+"}"),
		same("wide-list", "RFC 8259 5", excluding, "["+strings.Repeat("1,", 2*mebi)+"1]"),
		same("long-string", "RFC 8259 7", excluding, `{"displayName":"`+strings.Repeat("a", 16*mebi)+`"}`),
		same("long-name", "RFC 8259 7", excluding, `{"`+strings.Repeat("a", 16*mebi)+`":1}`),
		same("long-escapes", "RFC 8259 7", excluding, `{"displayName":"`+strings.Repeat(`\u0061`, 2*mebi)+`"}`),
		same("long-number", "RFC 8259 6", excluding, `{"a":`+strings.Repeat("9", 8*mebi)+"}"),
		same("long-exponent", "RFC 8259 6", excluding, `{"a":1e`+strings.Repeat("9", 8*mebi)+"}"),
		same("long-blanks", "RFC 8259 2", excluding, strings.Repeat(" ", 16*mebi)+"{}"),
		same("lone-surrogates", "RFC 8259 8.2", excluding, `{"a":"\ud800\udfff\ud800"}`),
		same("invalid-utf-8", "RFC 8259 8.1", excluding, "{\"a\":\"\xff\xfe\xc0\x80\",\"b\xed\xa0\x80\":1}"),
		same("controls", "RFC 8259 7", excluding, "{\"a\":\"\x00\x1b\n\"}"),
		same("not-json", "RFC 8259 2", excluding, strings.Repeat("\x00\xff<>{[", mebi)),
		{id: "members-of-50-MiB", guards: "RFC 7644 3.4.2.5", query: excluding, says: typed(200, group), want: passed(200, group), normalized: passed(200, `{"id":"1","displayName":"Engineering"}`)},
		{id: "members-twice", guards: "RFC 8259 4", query: excluding, says: typed(200, `{"members":[{"value":"1"}],"id":"1","members":[{"value":"2"}]}`), want: passed(200, `{"members":[{"value":"1"}],"id":"1","members":[{"value":"2"}]}`), normalized: passed(200, `{"id":"1"}`)},
		{id: "members-escaped", guards: "RFC 8259 8.3", query: excluding, says: typed(200, `{"id":"1","m\u0065mbers":[{"value":"1"}]}`), want: passed(200, `{"id":"1","m\u0065mbers":[{"value":"1"}]}`), normalized: passed(200, `{"id":"1"}`)},
	}
})

// endlessVectors never end by themselves: the deadline does it.
func endlessVectors() []answerVector {
	const chunked = "Transfer-Encoding: chunked\r\n"
	const begin = "HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\n"
	tooLate := failed("timeout")
	chunk := "400\r\n" + strings.Repeat(" ", 1<<10) + "\r\n"
	whole := strings.Repeat(" ", 32<<20) // more than comes in the time
	return []answerVector{
		{id: "endless-silence", guards: "OWASP API4:2023", method: "POST", serve: sayNothing, want: tooLate},
		{id: "endless-interim", guards: "RFC 9110 15.2", method: "POST", serve: endless("HTTP/1.1 103 Early Hints\r\nX: canary\r\n\r\n"), want: tooLate},
		{id: "endless-body", guards: "OWASP API4:2023", says: begin + chunked + "\r\n", serve: endless(chunk), want: cut(200, whole)},
		{id: "endless-body-excluding", guards: "OWASP API4:2023", query: "?excludedAttributes=members", says: begin + chunked + "\r\n", serve: endless(chunk), want: cut(200, whole)},
		{id: "endless-error", guards: "OWASP API4:2023", says: "HTTP/1.1 404 No\r\n" + chunked + "\r\n", query: "?filter=userName%20eq%20%22a%22", serve: endless("1\r\n \r\n"), want: cut(404, whole)},
		{id: "endless-refusal", guards: "OWASP API4:2023", method: "POST", says: "HTTP/1.1 401 No\r\n" + chunked + "\r\n", serve: endless("1\r\n \r\n"), want: failed("credential_refused")},
		{id: "endless-redirect", guards: "CVE-2025-4673", method: "POST", says: "HTTP/1.1 302 No\r\n" + chunked + "\r\n", serve: endless("1\r\n \r\n"), want: failed("redirect")},
		{id: "endless-trailers", guards: "RFC 9110 6.5", says: headed(chunked, "2\r\n{}\r\n0\r\n"), serve: endless("X: canary\r\n"), want: cut(200, "{}")},
	}
}
