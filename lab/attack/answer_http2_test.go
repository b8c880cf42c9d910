package attack

import (
	"strings"

	"golang.org/x/net/http2"
)

var framePlaces = []answerPlace{
	{"direct-h2-none", false, []string{"NORMALIZE=none", "LOG_LEVEL=debug"}},
	{"host-h2-all", true, []string{"NORMALIZE=all"}},
}

// frameVectors are answers over HTTP/2 that are none, and what a backend does to
// the connection besides.
func frameVectors() []frameVector {
	var vectors []frameVector
	for _, table := range [][]frameVector{floodVectors(), resetVectors(), streamVectors(), fieldFrameVectors()} {
		vectors = append(vectors, table...)
	}
	return append(vectors, windowVector())
}

func byFrames(id, guards string, want answerEnd, play func(*framed, uint32)) frameVector {
	return frameVector{answerVector: answerVector{id: id, guards: guards, want: want}, play: play}
}

// orGood is a vector that may end as an ordinary call, too.
func orGood(v frameVector) frameVector {
	v.or = passed(200, "{}")
	return v
}

// flood is how many frames come where one would do.
const flood = 20_000

// floodVectors are frames without end, or what unfolds to more than it is.
func floodVectors() []frameVector {
	good, bad := passed(200, "{}"), failed("bad_answer")
	table := strings.Repeat("a", 3800)
	return []frameVector{
		byFrames("continuation-flood", "CVE-2023-45288", bad, func(c *framed, stream uint32) {
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block(":status", "200")})
			fragment := block("x-canary", strings.Repeat("a", 8000))
			for range flood {
				if c.WriteContinuation(stream, false, fragment) != nil {
					return
				}
			}
			_ = c.conn.Close()
		}),
		byFrames("continuation-empty-flood", "CVE-2023-45288", bad, func(c *framed, stream uint32) {
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block(":status", "200")})
			for range flood {
				if c.WriteContinuation(stream, false, nil) != nil {
					return
				}
			}
			_ = c.conn.Close()
		}),
		byFrames("hpack-bomb", "CVE-2016-1544, RFC 7541 7.3", bad, func(c *framed, stream uint32) {
			bomb := append([]byte{0x88, 0x40, 1, 'x', 0x7f, 0xd9, 0x1c}, table...) // into the table, at index 62
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true, BlockFragment: append(bomb, strings.Repeat("\xbe", 10_000)...)})
		}),
		byFrames("hpack-table-too-large", "RFC 7541 4.2", bad, func(c *framed, stream uint32) {
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true, BlockFragment: []byte{0x3f, 0xe1, 0xff, 0xff, 0x7f, 0x88}})
		}),
		byFrames("hpack-garbage", "RFC 9113 4.3", bad, func(c *framed, stream uint32) {
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true, BlockFragment: []byte("\xff\xff\xff\xff\xff\xff\xff\xffcanary")})
		}),
		byFrames("header-of-70-KiB", "RFC 9113 10.5.1", bad, func(c *framed, stream uint32) {
			first, rest := block(":status", "200"), block("x-canary", strings.Repeat("a", 14_000))
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first})
			for i := range 6 {
				_ = c.WriteContinuation(stream, i == 5, rest)
			}
			c.data(stream, true, "{}")
		}),
		byFrames("ping-flood", "CVE-2019-9512", good, func(c *framed, stream uint32) {
			for range flood {
				if c.WritePing(false, [8]byte{'c', 'a', 'n', 'a', 'r', 'y'}) != nil {
					return
				}
			}
			c.answer(stream, "{}")
		}),
		byFrames("settings-flood", "CVE-2019-9515", good, func(c *framed, stream uint32) {
			for range flood {
				if c.WriteSettings(http2.Setting{ID: 0xf0f0, Val: 1}) != nil {
					return
				}
			}
			c.answer(stream, "{}")
		}),
		byFrames("empty-data-flood", "CVE-2019-9518", good, func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "200")
			for range flood {
				c.data(stream, false, "")
			}
			c.data(stream, true, "{}")
		}),
		byFrames("priority-flood", "CVE-2019-9513", good, func(c *framed, stream uint32) {
			for i := range uint32(flood) {
				_ = c.WritePriority(stream, http2.PriorityParam{StreamDep: 2*i + 1, Weight: uint8(i)})
			}
			c.answer(stream, "{}")
		}),
		byFrames("unknown-frame-flood", "RFC 9113 4.1", good, func(c *framed, stream uint32) {
			for range flood {
				_ = c.WriteRawFrame(0xee, 0xff, stream, []byte("canary"))
			}
			c.answer(stream, "{}")
		}),
		byFrames("interim-flood", "RFC 9113 8.1", good, func(c *framed, stream uint32) {
			for range flood / 4 {
				c.head(stream, false, ":status", "103", "link", "</canary>", "set-cookie", "canary")
			}
			c.answer(stream, "{}")
		}),
	}
}

// resetVectors are ends before the end.
func resetVectors() []frameVector {
	bad := failed("bad_answer")
	vectors := []frameVector{
		byFrames("goaway-at-once", "CVE-2022-27664", bad, func(c *framed, _ uint32) {
			_ = c.WriteGoAway(0, http2.ErrCodeNo, []byte("canary"))
			_ = c.conn.Close()
		}),
		byFrames("goaway-with-debug", "RFC 9113 6.8", bad, func(c *framed, stream uint32) {
			_ = c.WriteGoAway(stream, http2.ErrCodeEnhanceYourCalm, []byte("canary\r\n\x1b[31m"+strings.Repeat("canary", 2000)))
			_ = c.conn.Close()
		}),
		byFrames("goaway-in-answer", "CVE-2022-27664", passed(200, "{}"), func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "200")
			_ = c.WriteGoAway(stream, http2.ErrCodeNo, nil)
			c.data(stream, true, "{}")
		}),
		byFrames("goaway-and-end", "CVE-2021-36221", cut(200, "{"), func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "200")
			c.data(stream, false, "{")
			_ = c.WriteGoAway(stream, http2.ErrCodeInternal, []byte("canary"))
			_ = c.conn.Close()
		}),
		byFrames("goaway-growing", "RFC 9113 6.8", passed(200, "{}"), func(c *framed, stream uint32) {
			for _, last := range []uint32{stream, stream + 100, 1<<31 - 1} {
				_ = c.WriteGoAway(last, http2.ErrCodeNo, nil)
			}
			c.answer(stream, "{}")
		}),
		byFrames("reset-after-header", "CVE-2021-36221", cut(200, ""), func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "200")
			_ = c.WriteRSTStream(stream, http2.ErrCodeNo)
		}),
		byFrames("reset-in-body", "CVE-2021-36221", cut(200, "{"), func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "200", "content-length", "9")
			c.data(stream, false, "{")
			_ = c.WriteRSTStream(stream, http2.ErrCodeCancel)
		}),
		byFrames("reset-flood", "CVE-2023-39325", bad, func(c *framed, stream uint32) {
			for range flood {
				_ = c.WriteRSTStream(stream, http2.ErrCodeCancel)
			}
		}),
		byFrames("reset-of-strangers", "CVE-2023-39325", bad, func(c *framed, stream uint32) {
			for i := range uint32(flood) {
				if c.WriteRSTStream(stream+2*i+2, http2.ErrCodeCancel) != nil {
					return
				}
			}
			_ = c.conn.Close()
		}),
		byFrames("end-without-a-word", "RFC 9113 5.4.1", bad, func(c *framed, _ uint32) { _ = c.conn.Close() }),
	}
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeProtocol, http2.ErrCodeInternal, http2.ErrCodeRefusedStream, http2.ErrCodeCancel, http2.ErrCodeEnhanceYourCalm, http2.ErrCodeHTTP11Required, 0xffff} {
		vectors = append(vectors, byFrames("reset-"+strings.ToLower(strings.ReplaceAll(code.String(), " ", "-")), "RFC 9113 5.4.2, ADR 6", bad, func(c *framed, stream uint32) {
			_ = c.WriteRSTStream(stream, code)
		}))
	}
	return vectors
}

// streamVectors are frames where they may not be.
func streamVectors() []frameVector {
	good, bad := passed(200, "{}"), failed("bad_answer")
	raw := func(id, guards string, frame http2.FrameType, flags http2.Flags, at func(uint32) uint32, payload string) frameVector {
		return byFrames(id, guards, bad, func(c *framed, stream uint32) {
			_ = c.WriteRawFrame(frame, flags, at(stream), []byte(payload))
			// Where it may pass unseen, the call must not stay for ever.
			_ = c.conn.CloseWrite()
		})
	}
	own := func(stream uint32) uint32 { return stream }
	none := func(uint32) uint32 { return 0 }
	other := func(stream uint32) uint32 { return stream + 1000 }
	vectors := []frameVector{
		raw("data-on-stream-0", "RFC 9113 6.1", http2.FrameData, 1, none, "canary"),
		raw("data-before-header", "RFC 9113 8.1", http2.FrameData, 1, own, "canary"),
		raw("data-on-idle-stream", "RFC 9113 5.1", http2.FrameData, 1, other, "canary"),
		raw("header-on-stream-0", "RFC 9113 6.2", http2.FrameHeaders, 5, none, "\x88"),
		raw("header-on-idle-stream", "RFC 9113 5.1.1", http2.FrameHeaders, 5, other, "\x88"),
		raw("continuation-alone", "RFC 9113 6.10", http2.FrameContinuation, 4, own, "\x88"),
		raw("push-promise", "RFC 9113 8.4", http2.FramePushPromise, 4, own, "\x00\x00\x00\x02\x82\x84"),
		raw("padding-too-long", "CVE-2026-33814, RFC 9113 6.1", http2.FrameData, 9, own, "\xff{}"),
		raw("settings-short", "RFC 9113 6.5", http2.FrameSettings, 0, none, "abc"),
		raw("settings-ack-with-content", "RFC 9113 6.5", http2.FrameSettings, 1, none, "canary"),
		raw("settings-frame-size-0", "RFC 9113 6.5.2", http2.FrameSettings, 0, none, "\x00\x05\x00\x00\x00\x00"),
		raw("settings-window-too-large", "RFC 9113 6.5.2", http2.FrameSettings, 0, none, "\x00\x04\xff\xff\xff\xff"),
		raw("settings-push", "RFC 9113 6.5.2", http2.FrameSettings, 0, none, "\x00\x02\x00\x00\x00\x01"),
		raw("ping-short", "RFC 9113 6.7", http2.FramePing, 0, none, "abc"),
		raw("window-update-0", "RFC 9113 6.9", http2.FrameWindowUpdate, 0, none, "\x00\x00\x00\x00"),
		raw("rst-short", "RFC 9113 6.4", http2.FrameRSTStream, 0, own, "ab"),
		raw("frame-too-large", "RFC 9113 4.2", http2.FrameData, 0, own, strings.Repeat("a", 1<<24-1)),
		raw("http-1.1-instead", "RFC 9113 3.4", http2.FrameType('/'), http2.Flags('1'), own, ok200("canary")),
		byFrames("window-overflow", "RFC 9113 6.9.1", bad, func(c *framed, _ uint32) {
			for range 2 {
				_ = c.WriteWindowUpdate(0, 1<<31-1)
			}
		}),
		byFrames("data-after-end", "RFC 9113 5.1", good, func(c *framed, stream uint32) {
			c.answer(stream, "{}")
			c.data(stream, false, "canary")
		}),
		byFrames("answer-after-end", "RFC 9113 5.1", good, func(c *framed, stream uint32) {
			c.answer(stream, "{}")
			c.answer(stream, "canary")
		}),
	}
	return vectors
}

// windowVector is the one that stops net/http before Go 1.26.9, and with it each
// call to the backend from then on, deadline or not: it waits for a lock that it
// holds itself. With an older Go than go.mod names it is left out.
func windowVector() frameVector {
	return byFrames("window-overflow-of-stream", "RFC 9113 6.9.1", failed("bad_answer"), func(c *framed, stream uint32) {
		for range 2 {
			_ = c.WriteWindowUpdate(stream, 1<<31-1)
		}
	})
}

// fieldFrameVectors are headers that HTTP/2 does not allow, and trailers.
func fieldFrameVectors() []frameVector {
	good, bad := passed(200, "{}"), failed("bad_answer")
	header := func(id, guards string, want answerEnd, fields ...string) frameVector {
		return byFrames(id, guards, want, func(c *framed, stream uint32) {
			c.head(stream, false, fields...)
			c.data(stream, true, "{}")
		})
	}
	trailer := func(id, guards string, want answerEnd, fields ...string) frameVector {
		return byFrames(id, guards, want, func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "200")
			c.data(stream, false, "{}")
			c.head(stream, true, fields...)
		})
	}
	return []frameVector{
		header("no-status", "RFC 9113 8.3.2", bad, "content-type", "text/canary"),
		header("two-statuses", "RFC 9113 8.3", bad, ":status", "200", ":status", "302"),
		header("status-last", "RFC 9113 8.3", bad, "content-type", "text/canary", ":status", "200"),
		header("status-garbage", "RFC 9113 8.3.2", bad, ":status", "2xx"),
		header("status-999", "RFC 9110 15", bad, ":status", "999"),
		header("switching-protocols", "RFC 9113 8.6", bad, ":status", "101"),
		header("request-pseudo-field", "RFC 9113 8.3", bad, ":status", "200", ":path", "/canary"),
		header("unknown-pseudo-field", "RFC 9113 8.3", bad, ":status", "200", ":canary", "1"),
		header("upper-case", "RFC 9113 8.2.1", bad, ":status", "200", "X-Canary", "1"),
		header("line-break-in-value", "RFC 9113 8.2.1, response splitting", bad, ":status", "200", "etag", "a\r\nset-cookie: canary"),
		header("nul-in-value", "RFC 9113 8.2.1", bad, ":status", "200", "etag", "a\x00canary"),
		header("line-break-in-name", "RFC 9113 8.2.1, response splitting", bad, ":status", "200", "a\r\nset-cookie", "canary"),
		header("redirect", "CVE-2025-4673", failed("redirect"), ":status", "307", "location", "https://canary.example.com/"),
		header("connection-fields", "RFC 9113 8.2.2", good, ":status", "200", "connection", "content-type", "transfer-encoding", "chunked", "keep-alive", "canary", "upgrade", "canary"),
		header("private-fields", "RFC 9110 7.6.1", good, ":status", "200", "set-cookie", "canary", "server", "canary", "www-authenticate", "canary", "x-canary", "1"),
		header("length-too-short", "RFC 9113 8.1.1", cut(200, "{"), ":status", "200", "content-length", "1"),
		header("length-too-long", "RFC 9113 8.1.1", cut(200, "{}"), ":status", "200", "content-length", "9"),
		// Newer releases of net/http drop such a length, so that the answer is fit
		// to pass.
		orGood(header("length-garbage", "RFC 9113 8.1.1", bad, ":status", "200", "content-length", "two")),
		orGood(header("two-lengths", "RFC 9112 6.3, RFC 9113 8.1.1", bad, ":status", "200", "content-length", "2", "content-length", "3")),
		trailer("trailers", "RFC 9110 6.5", good, "set-cookie", "canary", "authorization", "canary", "content-length", "9"),
		trailer("trailers-with-status", "RFC 9113 8.1", cut(200, "{}"), ":status", "302", "location", "https://canary.example.com/"),
		trailer("trailers-with-path", "RFC 9113 8.1", cut(200, "{}"), ":path", "/canary"),
		byFrames("trailers-unended", "RFC 9113 8.1", cut(200, "{}"), func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "200")
			c.data(stream, false, "{}")
			c.head(stream, false, "x-canary", "1")
		}),
		byFrames("early-hints", "RFC 8297 2", good, func(c *framed, stream uint32) {
			c.head(stream, false, ":status", "103", "link", "</canary>", "set-cookie", "canary")
			c.answer(stream, "{}")
		}),
		byFrames("early-hints-that-end", "RFC 9113 8.1", bad, func(c *framed, stream uint32) {
			c.head(stream, true, ":status", "103", "x-canary", "1")
		}),
	}
}
