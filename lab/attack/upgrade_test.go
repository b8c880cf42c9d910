package attack

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is what a client sends over HTTP/2 that knows, or hopes, that the peer
// speaks it: one call.
func frames(path, authorization string, start bool) string {
	var out, block bytes.Buffer
	framer, encoder := http2.NewFramer(&out, nil), hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "x"},
		{Name: "authorization", Value: authorization},
	} {
		_ = encoder.WriteField(field) // to memory, as all here
	}
	stream := uint32(3)
	if start {
		stream = 1
		out.WriteString(http2.ClientPreface)
	}
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	return out.String()
}

// The frames above are such that a server of HTTP/2 would read a call in them.
func TestFramesAreACall(t *testing.T) {
	text, ok := strings.CutPrefix(frames("/scim/Users/1", "Bearer a", true), http2.ClientPreface)
	framer := http2.NewFramer(nil, strings.NewReader(text))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err := framer.ReadFrame()
	frame, err2 := framer.ReadFrame()
	headers, is := frame.(*http2.MetaHeadersFrame)
	if !ok || err != nil || err2 != nil || !is || headers.PseudoValue("path") != "/scim/Users/1" || headers.RegularFields()[0].Value != "Bearer a" {
		t.Errorf("got %v, %v, %v", frame, err, err2)
	}
}

// settings is an empty HTTP2-Settings with one parameter.
var settings = base64.RawURLEncoding.EncodeToString([]byte{0, 3, 0, 0, 0, 100})

// upgrades are ways to another protocol, past all that reads HTTP/1.1.
func upgrades() attackClass {
	c := attackClass{name: "HTTP/2 in the clear", guards: "CVE-2023-39325, CVE-2026-56853, RFC 9113 section 3 (h2csmuggler, MAL-H2-PREFACE)"}
	for _, lines := range []string{
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: " + settings + "\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: " + settings + "\r\n",
		"Connection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: " + settings + "\r\n", "Upgrade: h2c\r\nHTTP2-Settings: " + settings + "\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\n",
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: " + settings + "\r\n", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: " + settings + "\r\n",
		"Connection: keep-alive, upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings:\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\nHTTP2-Settings: " + settings + "\r\n",
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: HTTP/2.0\r\nHTTP2-Settings: " + settings + "\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nUpgrade: h2c\r\nHTTP2-Settings: " + settings + "\r\n",
	} {
		id := fmt.Sprint(len(c.vectors)/3+1, ", ", short(strings.ReplaceAll(lines, "\r\n", " ")))
		c.vectors = append(c.vectors,
			vector{id: id, raw: get(lines) + "{frames}", reach: 1, last: true},
			vector{id: id + ", no token", raw: "GET {path} HTTP/1.1\r\nHost: {host}\r\n" + lines + "\r\n{frames}", last: true},
			vector{id: id + ", as POST", raw: post(lines+"Content-Length: 2\r\n", "{}") + "{more}", reach: 1, last: true},
		)
	}
	c.vectors = append(c.vectors,
		vector{id: "prior knowledge", raw: "{frames}", last: true}, vector{id: "prior knowledge after a call", raw: get("") + "{frames}", reach: 1, last: true},
		vector{id: "MAL-H2-PREFACE", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", last: true}, vector{id: "preface with a token", raw: "PRI * HTTP/2.0\r\n{auth}\r\n\r\nSM\r\n\r\n{more}", last: true},
		vector{id: "GET as HTTP/2.0", raw: "GET {path} HTTP/2.0\r\nHost: {host}\r\n{auth}\r\n\r\n", last: true}, vector{id: "GET as HTTP/3.0", raw: "GET {path} HTTP/3.0\r\nHost: {host}\r\n{auth}\r\n\r\n", last: true},
		vector{id: "TLS to a port without", raw: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 40), cut: true},
	)
	return c
}

// tunnels are upgrades to what the proxy would have to hand on blindly.
func tunnels() attackClass {
	c := attackClass{name: "Upgrades and tunnels", guards: "RFC 9110 sections 7.8 and 9.3.6 (COMP-UPGRADE-*, COMP-METHOD-CONNECT)"}
	key := "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, row := range []struct{ id, lines string }{
		{"websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\n" + key + "Sec-WebSocket-Version: 13\r\n"}, {"COMP-UPGRADE-INVALID-VER", "Connection: Upgrade\r\nUpgrade: websocket\r\n" + key + "Sec-WebSocket-Version: 777\r\n"},
		{"COMP-UPGRADE-MISSING-CONN", "Upgrade: websocket\r\n" + key + "Sec-WebSocket-Version: 13\r\n"}, {"COMP-UPGRADE-UNKNOWN", "Connection: Upgrade\r\nUpgrade: {hostile}/1.0\r\n"}, {"TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"},
		{"not ASCII", "Connection: Upgrade\r\nUpgrade: \u212aebsocket\r\n"}, {"empty", "Connection: Upgrade\r\nUpgrade:\r\n"}, {"with chunks", "Connection: Upgrade\r\nUpgrade: websocket\r\n" + key + "Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n"},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"} {
			c.add(row.id+", "+method, 1, call(method, "{path}", row.lines))
		}
	}
	c.vectors = append(c.vectors,
		vector{id: "COMP-UPGRADE-HTTP10", raw: "GET {path} HTTP/1.0\r\nHost: {host}\r\n{auth}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", reach: 1, last: true},
		vector{id: "bytes behind an upgrade", raw: get("Connection: Upgrade\r\nUpgrade: websocket\r\n"+key+"Sec-WebSocket-Version: 13\r\n") + "\x81\x85{smuggled}", reach: 1, last: true},
	)
	for _, target := range []string{"169.254.169.254:80", "scim.corp.example.com:443", "{host}", "/scim/Users/{mark}", "http://{host}{path}", "[::1]:22"} {
		c.vectors = append(c.vectors,
			vector{id: "CONNECT " + target, raw: "CONNECT " + target + " HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n\r\n"},
		)
	}
	return c
}

// expectations ask for leave to send a body.
func expectations() attackClass {
	c := attackClass{name: "Expect", guards: "CVE-2024-24791, RFC 9110 section 10.1.1 (SMUG-EXPECT-100-CL, COMP-EXPECT-UNKNOWN)"}
	expect := "Expect: 100-continue\r\n"
	for _, row := range []struct{ id, head string }{
		{"no token", "POST {path} HTTP/1.1\r\nHost: {host}\r\n"}, {"wrong token", "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {hostile}\r\n"},
		{"refused path", "POST /scim/../{mark} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n"}, {"other path", "POST /elsewhere HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n"},
		{"refused method", "PROPFIND {path} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n"}, {"refused query", "POST {path}?a=%zz HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n"}, {"OPTIONS", "OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n"},
	} {
		c.vectors = append(c.vectors,
			vector{id: row.id + ", a call in the place of the body", raw: row.head + expect + length(embedded) + "\r\n" + embedded},
			vector{id: row.id + ", in chunks", raw: row.head + expect + chunked + "\r\n" + hello + poison, last: true},
			vector{id: row.id + ", a body that never comes", raw: row.head + expect + "Content-Length: 500\r\n\r\n", cut: true},
		)
	}
	for _, value := range []string{"100-Continue", "100-continue ", "100-CONTINUE"} {
		c.vectors = append(c.vectors, vector{id: "SMUG-EXPECT-100-CL-DESYNC, " + value, raw: post("Expect: "+value+"\r\nContent-Length: 5\r\n", "hello"), reach: 1, body: "hello"})
	}
	for _, value := range []string{"200-ok", "{hostile}", "100-continue, 100-continue", "100-continue\r\nExpect: {hostile}", "101-switching-protocols", "100-continue;q=1", ""} {
		c.vectors = append(c.vectors, vector{id: "COMP-EXPECT-UNKNOWN, " + value, raw: post("Expect: "+value+"\r\nContent-Length: 5\r\n", "hello"), reach: 1, may: true})
	}
	c.vectors = append(c.vectors,
		vector{id: "COMP-NO-1XX-HTTP10", raw: "POST {path} HTTP/1.0\r\nHost: {host}\r\n{auth}\r\n" + expect + "Content-Length: 5\r\n\r\nhello", reach: 1, may: true, last: true, body: "hello"},
		vector{id: "GET without a body", raw: get(expect), reach: 1},
		vector{id: "GET with a call as its body", raw: call("GET", "{path}", expect+length(embedded)) + embedded, reach: 1, whole: true},
	)
	return c
}
