package attack

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// answerPlaces are where the answers over HTTP/1.1 go through.
var answerPlaces = []answerPlace{
	{"direct-none", false, []string{"NORMALIZE=none"}},
	{"direct-all", false, []string{"NORMALIZE=all", "LOG_LEVEL=debug"}},
	{"host-none", true, []string{"NORMALIZE=none", "LOG_LEVEL=debug"}},
	{"host-all", true, []string{"NORMALIZE=all"}},
}

// ok200 is an answer with a body of known length and further header lines.
func ok200(body string, lines ...string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\n" + fmt.Sprintf("Content-Length: %d\r\n", len(body)) +
		strings.Join(append(lines, ""), "\r\n") + "\r\n" + body
}

// headed is an answer with a header as it is given, and what comes behind it.
func headed(lines, rest string) string { return "HTTP/1.1 200 OK\r\n" + lines + "\r\n" + rest }

// surplus is a whole answer in the place where none belongs.
var surplus = ok200(`{"id":"canary"}`)

// framingVectors are answers of which two readers might not see the same end.
func framingVectors() []answerVector {
	const chunked = "Transfer-Encoding: chunked\r\n"
	bad := failed("bad_answer")
	vectors := []answerVector{
		// The length is deleted, and the body ends as its chunks do.
		{id: "length-and-chunks", guards: "RFC 9112 6.3, CVE-2019-16276", says: headed("Content-Length: 40\r\n"+chunked, "2\r\n{}\r\n0\r\n\r\n"), want: passed(200, "{}")},
		{id: "chunks-and-length", guards: "RFC 9112 6.3", says: headed(chunked+"Content-Length: 1\r\n", "2\r\n{}\r\n0\r\n\r\n"), want: passed(200, "{}")},
		{id: "two-lengths", guards: "RFC 9112 6.3", says: headed("Content-Length: 2\r\nContent-Length: 3\r\n", "{} "), want: bad},
		{id: "two-equal-lengths", guards: "RFC 9112 6.3", says: headed("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), want: passed(200, "{}")},
		{id: "list-of-lengths", guards: "RFC 9112 6.3", says: headed("Content-Length: 2, 3\r\n", "{} "), want: bad},
		{id: "length-with-nul", guards: "RFC 9110 5.5", says: headed("Content-Length: 2\x00\r\n", "{}"), want: bad},
		{id: "length-too-long", guards: "RFC 9112 6.3", says: headed("Content-Length: 100\r\n", "{}"), want: cut(200, "{}")},
		{id: "length-without-body", guards: "RFC 9112 6.3", says: headed("Content-Length: 100\r\n", ""), want: cut(200, "")},
		{id: "chunk-size-bare-lf", guards: "CVE-2025-22871", says: headed(chunked, "2\n{}\r\n0\r\n\r\n"), want: cut(200, "")},
		{id: "chunk-end-bare-lf", guards: "CVE-2025-22871", says: headed(chunked, "2\r\n{}\n0\r\n\r\n"), want: cut(200, "{}")},
		{id: "last-chunk-bare-lf", guards: "CVE-2025-22871", says: headed(chunked, "2\r\n{}\r\n0\n\r\n"), want: cut(200, "{}")},
		{id: "chunk-extension-bare-lf", guards: "CVE-2025-22871", says: headed(chunked, "2;\n{}\r\n0\r\n\r\n"), want: cut(200, "")},
		{id: "chunk-extension", guards: "RFC 9112 7.1.1", says: headed(chunked, "2;canary=1\r\n{}\r\n0;canary\r\n\r\n"), want: passed(200, "{}")},
		{id: "chunk-extensions-long", guards: "CVE-2023-39326", says: headed(chunked, "2;"+strings.Repeat("a", 70_000)+"\r\n{}\r\n0\r\n\r\n"), want: cut(200, "")},
		{id: "chunk-extensions-many", guards: "CVE-2023-39326", says: headed(chunked, strings.Repeat("1;"+strings.Repeat("a", 3000)+"\r\n \r\n", 60)+"0\r\n\r\n"), want: cut(200, strings.Repeat(" ", 60))},
		{id: "chunk-size-overflow", guards: "RFC 9112 7.1", says: headed(chunked, "10000000000000002\r\n{}\r\n0\r\n\r\n"), want: cut(200, "")},
		{id: "chunk-size-huge", guards: "RFC 9112 7.1", says: headed(chunked, "7fffffffffffffff\r\n{}\r\n0\r\n\r\n"), want: cut(200, "{}\r\n0\r\n\r\n")},
		{id: "chunk-too-short", guards: "RFC 9112 7.1", says: headed(chunked, "1\r\n{}\r\n0\r\n\r\n"), want: cut(200, "{")},
		{id: "no-last-chunk", guards: "CVE-2021-36221", says: headed(chunked, "2\r\n{}\r\n"), want: cut(200, "{}")},
		{id: "cut-in-chunk", guards: "CVE-2021-36221", says: headed(chunked, "20\r\n{"), want: cut(200, "{")},
		{id: "cut-in-length", guards: "CVE-2021-36221", says: headed("Content-Length: 20\r\n", "{"), want: cut(200, "{")},
		// Nobody knows how much is missing: the end of the connection is the end.
		{id: "until-the-end", guards: "RFC 9112 6.3", says: headed("", "{}"), want: passed(200, "{}")},
		{id: "trailers-announced", guards: "RFC 9110 6.5", says: headed(chunked+"Trailer: Set-Cookie, Authorization\r\n", "2\r\n{}\r\n0\r\nSet-Cookie: canary\r\nAuthorization: canary\r\n\r\n"), want: passed(200, "{}"), stay: true},
		{id: "trailers-unannounced", guards: "RFC 9110 6.5", says: headed(chunked, "2\r\n{}\r\n0\r\nX-Canary: canary\r\nContent-Length: 9\r\n\r\n"), want: passed(200, "{}"), stay: true},
		{id: "trailers-malformed", guards: "RFC 9110 6.5", says: headed(chunked, "2\r\n{}\r\n0\r\ncanary\r\n\r\n"), want: cut(200, "{}")},
		{id: "surplus-answer", guards: "RFC 9112 9.3, response queue", says: ok200("{}") + surplus, want: passed(200, "{}"), stay: true},
		{id: "surplus-line", guards: "RFC 9112 9.3", says: ok200("{}") + "\r\ncanary", want: passed(200, "{}"), stay: true},
		{id: "surplus-of-chunks", guards: "RFC 9112 9.3, response queue", says: headed(chunked, "2\r\n{}\r\n0\r\n\r\n"+surplus), want: passed(200, "{}"), stay: true},
		{id: "surplus-of-204", guards: "RFC 9112 6.3", says: "HTTP/1.1 204 No Content\r\nContent-Length: 15\r\n\r\n{\"id\":\"canary\"}" + surplus, want: passed(204, ""), stay: true},
		{id: "surplus-of-304", guards: "RFC 9112 6.3", says: "HTTP/1.1 304 Not Modified\r\n\r\n" + surplus, want: passed(304, ""), stay: true},
		{id: "surplus-of-head", guards: "RFC 9112 6.3", method: "HEAD", says: surplus + surplus, want: passed(200, ""), stay: true},
		{id: "surplus-of-post", guards: "RFC 9112 9.3", method: "POST", says: ok200("{}") + surplus, want: passed(200, "{}"), stay: true},
	}
	for i, length := range []string{"+2", "-2", "0x2", "2 2", "2,", "", "two", "99999999999999999999", "2.0", "²"} {
		vectors = append(vectors, answerVector{id: fmt.Sprintf("length-garbage-%d", i), guards: "RFC 9112 6.3", says: headed("Content-Length: "+length+"\r\n", "{}"), want: bad})
	}
	for i, coding := range []string{"canary", "gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunked;q=1", "\"chunked\"", "chunked\r\nTransfer-Encoding: gzip", ",chunked", "\vchunked"} {
		vectors = append(vectors, answerVector{id: fmt.Sprintf("coding-unknown-%d", i), guards: "CVE-2022-1705, RFC 9112 6.1", says: headed("Transfer-Encoding: "+coding+"\r\n", "2\r\n{}\r\n0\r\n\r\n"), want: bad})
	}
	for i, size := range []string{"", "-1", "+2", "0x2", "2 2", "g", "²", "2,2"} {
		vectors = append(vectors, answerVector{id: fmt.Sprintf("chunk-size-garbage-%d", i), guards: "RFC 9112 7.1", says: headed(chunked, size+"\r\n{}\r\n0\r\n\r\n"), want: cut(200, "")})
	}
	for i := range vectors {
		if vectors[i].want.cut {
			vectors[i].method = "POST" // or the host would send the call ten times
		}
	}
	return vectors
}

// headVectors are answers whose head is not one, or too much of one.
func headVectors() []answerVector {
	bad := failed("bad_answer")
	vectors := []answerVector{
		// A proxy may refuse a folded line, or unfold it, as here.
		{id: "folded-line", guards: "RFC 9112 5.2", says: headed("Etag: \"a\r\n b\"\r\nContent-Length: 2\r\n", "{}"), want: passed(200, "{}")},
		{id: "folded-first-line", guards: "RFC 9112 5.2", says: headed(" Etag: canary\r\nContent-Length: 2\r\n", "{}"), want: bad},
		// Such a name is that of an unknown field, which passes no list.
		{id: "blank-before-colon", guards: "CVE-2019-16276, RFC 9112 5.1", says: headed("Transfer-Encoding : chunked\r\nSet-Cookie : canary\r\nContent-Length: 2\r\n", "{}"), want: passed(200, "{}"), stay: true},
		{id: "blank-in-name", guards: "RFC 9112 5.1", says: headed("Content Length: 9\r\nContent-Length: 2\r\n", "{}"), want: passed(200, "{}"), stay: true},
		{id: "no-colon", guards: "RFC 9112 5", says: headed("Set-Cookie canary\r\nContent-Length: 2\r\n", "{}"), want: bad},
		{id: "no-name", guards: "RFC 9112 5", says: headed(": canary\r\nContent-Length: 2\r\n", "{}"), want: bad},
		{id: "bare-lf-lines", guards: "RFC 9112 2.2", says: strings.ReplaceAll(ok200("{}", "X-Canary: canary"), "\r\n", "\n"), want: passed(200, "{}")},
		{id: "no-end", guards: "RFC 9112 2.1", says: "HTTP/1.1 200 OK\r\nX-Canary: canary\r\n", want: bad},
		{id: "nothing", guards: "RFC 9112 9.3", method: "PATCH", want: bad},
		{id: "header-of-70-KiB", guards: "RFC 9110 5.4", says: ok200("{}", "X-Canary: "+strings.Repeat("a", 70<<10)), want: bad},
		{id: "status-line-without-end", guards: "RFC 9112 4", says: "HTTP/1.1 200 " + strings.Repeat("a", 1<<20), want: bad},
		{id: "lines-100000", guards: "RFC 9110 5.4", says: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: a\r\n", 100_000) + "\r\n", want: bad},
		{id: "http-0.9", guards: "RFC 9112 2.3", says: `{"id":"canary"}`, want: bad},
		{id: "http-1.0", guards: "RFC 9112 2.3", says: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", want: passed(200, "{}")},
		// RFC 9112 6.1: such a framing is faulty, and read like that of HTTP/1.1
		// it would be another's.
		{id: "http-1.0-chunks", guards: "RFC 9112 6.1", says: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", want: passed(200, "2\r\n{}\r\n0\r\n\r\n")},
		{id: "http-1.0-kept", guards: "RFC 9112 9.3", says: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}" + surplus, want: passed(200, "{}"), stay: true},
		{id: "reason-injected", guards: "CVE-2026-42507", says: "HTTP/1.1 200 OK\x1b[31mcanary\x07\r\nContent-Length: 2\r\n\r\n{}", want: passed(200, "{}")},
	}
	for i, line := range []string{
		"SSH-2.0-canary", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 0x2 OK",
		"HTTP/1.1 20\x00 OK", "HTTP/9.9", "http/1.1 200 OK", "HTTPS/1.1 200 OK", "HTTP/1.1.1 200 OK", "ICY 200 OK", "\x00\x01\x02\xff", "HTTP/1.1 099 Low", "HTTP/1.1 600 High", "HTTP/1.1 999 canary",
	} {
		vectors = append(vectors, answerVector{id: fmt.Sprintf("status-line-%d", i), guards: "RFC 9112 4", says: line + "\r\nContent-Length: 2\r\n\r\n{}", want: bad})
	}
	for i, name := range []string{"Set\x00Cookie", "Set-Cookie\t", "(canary)", "Sët", "\x7f"} {
		vectors = append(vectors, answerVector{id: fmt.Sprintf("name-garbage-%d", i), guards: "RFC 9110 5.1", says: headed(name+": canary\r\nContent-Length: 2\r\n", "{}"), want: bad})
	}
	return vectors
}

// interimVectors are answers before the answer, and statuses that are none of
// an answer's.
func interimVectors() []answerVector {
	interim := func(status string) string {
		return "HTTP/1.1 " + status + "\r\nSet-Cookie: canary\r\nLink: </canary>\r\nContent-Length: 7\r\nContent-Type: text/canary\r\n\r\n"
	}
	good := passed(200, "{}")
	return []answerVector{
		{id: "continue-unasked", guards: "RFC 9110 15.2.1", says: interim("100 Continue") + ok200("{}"), want: good, stay: true},
		{id: "processing", guards: "RFC 9110 15.2", method: "POST", says: interim("102 Processing") + ok200("{}"), want: good, stay: true},
		{id: "early-hints", guards: "RFC 8297 2", says: interim("103 Early Hints") + ok200("{}"), want: good, stay: true},
		{id: "status-199", guards: "RFC 9110 15.2", says: interim("199 canary") + ok200("{}"), want: good, stay: true},
		{id: "early-hints-and-end", guards: "RFC 9110 15.2", method: "PATCH", says: interim("103 Early Hints"), want: failed("bad_answer")},
		{id: "interim-and-garbage", guards: "RFC 9110 15.2", says: interim("103 Early Hints") + "canary\r\n\r\n", want: failed("bad_answer")},
		{id: "interim-flood", guards: "RFC 9110 15.2", says: strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: canary\r\n\r\n", 5000) + ok200("{}"), want: good, stay: true},
		{id: "interim-header-bomb", guards: "RFC 9110 5.4", says: "HTTP/1.1 103 Early Hints\r\nX: " + strings.Repeat("a", 70<<10) + "\r\n\r\n" + ok200("{}"), want: failed("bad_answer")},
		{id: "switching-protocols", guards: "RFC 9110 15.2.2", says: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: canary\r\n\r\n" + surplus, want: failed("bad_answer")},
		{id: "switching-post", guards: "RFC 9110 15.2.2", method: "POST", says: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + surplus, want: failed("bad_answer")},
	}
}

// clients is how many vectors are sent at a time.
const clients = 8

// eachVector sends all vectors in all worlds through handlers that each have a
// backend of their own, and may not take more memory than given, in bytes.
func eachVector(t *testing.T, app string, places []answerPlace, vectors []answerVector, memory int) {
	t.Helper()
	t.Parallel()
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			authority := answerAuthority(t)
			backend := newRawBackend(t, authority, vectors)
			w := startAnswerWorld(t, app, place, authority.PEM(), backend.Addr().String())
			backend.token.Store("backend-token-of-" + place.name)
			for _, v := range vectors {
				if v.lone() {
					w.attack(t, v, backend.take)
				}
			}
			next := make(chan answerVector)
			var sending sync.WaitGroup
			for range clients {
				sending.Go(func() {
					for v := range next {
						w.attack(t, v, backend.take)
					}
				})
			}
			for _, v := range vectors {
				if !v.lone() {
					next <- v
				}
			}
			close(next)
			sending.Wait()
			w.judgeLog(t)
			w.judgeMemory(t, memory)
		})
	}
}

// endless sends a text again and again until the other side has had enough. It
// keeps a pace, to leave the machine to others.
func endless(text string) func(net.Conn) {
	return func(conn net.Conn) {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for range pace.C {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

// sayNothing says nothing until the other side has had enough.
func sayNothing(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
