package proxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/entra-scim-proxy/proxy/token"
)

// A media type is read as package mime reads it, where that can; and two lines
// are one list (RFC 9110 section 5.3).
func FuzzContentType(f *testing.F) {
	for _, seed := range []string{
		"", "application/scim+json; charset=utf-8", "Application/JSON", " text/json ", "application/json;;=", "text/html, application/json", "application/json-patch+json", `a/b;c="application/json"`,
	} {
		f.Add(seed, "text/plain")
		f.Add("application/json", seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if name, _, err := mime.ParseMediaType(first); err == nil && !strings.EqualFold(name, mediaType(first)) {
			t.Errorf("%q: %q, and package mime says %q", first, mediaType(first), name)
		}
		lines, line := []string{first, second}, []string{first + "," + second}
		if isJSON(lines) != isJSON(line) {
			t.Errorf("%q: %v in two lines, and otherwise in one", lines, isJSON(lines))
		}
		if isJSON(lines) && !strings.Contains(strings.ToLower(line[0]), "json") && strings.Trim(line[0], " \t\r\n\v\f\u0085\u00a0,;") == line[0] {
			t.Errorf("%q may be JSON", lines)
		}
		response := &http.Response{Header: http.Header{"Content-Type": {first}}}
		if first != "" && repairType(response) {
			got := response.Header.Get("Content-Type")
			if mediaType(got) != mediaSCIM || !strings.HasSuffix(got, strings.TrimPrefix(first, first[:len(first)-len(parameters(first))])) || repairType(response) {
				t.Errorf("%q became %q", first, got)
			}
		}
	})
}

// parameters are what follows a media type.
func parameters(contentType string) string {
	if at := strings.IndexByte(contentType, ';'); at >= 0 {
		return contentType[at:]
	}
	return ""
}

// Two lines of Content-Encoding are one list, and none takes a coding away.
func FuzzContentEncoding(f *testing.F) {
	for _, seed := range []string{"", "identity", "gzip", "Identity, br", ",,", " \tidentity ", "identity;q=0"} {
		f.Add(seed, "identity")
		f.Add("gzip", seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}
		switch encoded := isEncoded(lines); {
		case encoded != (isEncoded(lines[:1]) || isEncoded(lines[1:])), encoded != isEncoded([]string{first + "," + second}):
			t.Errorf("%q: %v", lines, encoded)
		case !encoded && strings.ContainsAny(strings.ReplaceAll(strings.ToLower(first+second), "identity", ""), "abcfghjklmopqrsuvwxz"):
			t.Errorf("%q: no coding", lines)
		}
	})
}

// Looking at an answer's body leaves it as it was, and what is compressed is
// judged as what is not.
func FuzzAnswerBodyIsLookedAt(f *testing.F) {
	for _, seed := range []string{
		`{"schemas":["` + errorSchema + `"],"status":"404"}`, `{"schemas":[]}`, "<p>", " \ufeff<html>", "\ufeff  {", "", "null", `{"schemas":["` + errorSchema + `"]}{`, `{"Schemas":["` + errorSchema + `"`,
	} {
		f.Add([]byte(seed), "text/html", 404)
		f.Add([]byte(seed), "application/json", 200)
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string, status int) {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		_, _ = writer.Write(body)
		_ = writer.Close()
		plain, zipped := answerOf(body, contentType, ""), answerOf(packed.Bytes(), contentType, "GZIP")
		plain.StatusCode = status
		verdict := isSCIMError(plain)
		if len(body) < holdLimit && verdict != isSCIMError(zipped) {
			t.Errorf("%q: %v, and in gzip otherwise", body, verdict)
		}
		if verdict && !bytes.Contains(body, []byte("schemas:Error")) && !bytes.Contains(body, []byte("\\")) && !bytes.Contains(body, []byte("2.0:Error")) {
			t.Errorf("%q is a SCIM Error", body)
		}
		if verdict != isSCIMError(plain) {
			t.Errorf("%q: judged otherwise the second time", body)
		}
		fresh := answerOf(body, contentType, "")
		first := firstByte(fresh)
		trimmed := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
		if len(body) < sniffLimit && (len(trimmed) == 0) != (first == 0 || bytes.HasPrefix(trimmed, []byte{0})) || first != 0 && first != trimmed[0] {
			t.Errorf("%q begins with %q", body, first)
		}
		if isHTMLError(plain) && (status < 400 || first == '{' || first == '[') {
			t.Errorf("%d %q %q is a page", status, contentType, body)
		}
		for response, want := range map[*http.Response]string{plain: string(body), fresh: string(body), zipped: packed.String()} {
			if got, err := io.ReadAll(response.Body); err != nil || string(got) != want {
				t.Errorf("%q is left of %q: %v", got, want, err)
			}
		}
	})
}

func answerOf(body []byte, contentType, coding string) *http.Response {
	return &http.Response{
		Header: http.Header{"Content-Type": {contentType}, "Content-Encoding": {coding}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(iotest.OneByteReader(bytes.NewReader(body))),
	}
}

// safeID is what a request id may be, as a second opinion.
var safeID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// A request id is the client's only if it cannot do anything to a log or a page.
func FuzzRequestID(f *testing.F) {
	for _, seed := range []string{"", "8adf8e6e-67b2-4cf2-a259-e3dc5476c621", "a\nb", "\x1b[31m", `"}`, strings.Repeat("a", 65), "é", "a b"} {
		f.Add(seed, "x")
		f.Add("", seed)
	}
	f.Fuzz(func(t *testing.T, invocation, client string) {
		id := requestID(http.Header{invocationHeader: {invocation}, "X-Request-Id": {client}})
		switch {
		case !safeID.MatchString(id):
			t.Errorf("%q and %q: %q", invocation, client, id)
		case safeID.MatchString(invocation) && id != invocation, !safeID.MatchString(invocation) && safeID.MatchString(client) && id != client:
			t.Errorf("%q and %q: %q", invocation, client, id)
		case !safeID.MatchString(invocation) && !safeID.MatchString(client) && (id == invocation || id == client):
			t.Errorf("%q is taken over", id)
		}
	})
}

// visible are the characters of a URL (RFC 3986 section 2), and some that are none.
const visible = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// A Location that is made of an answer comes out of a header as it went in, and
// is an absolute URL.
func FuzzLocationOfAnswer(f *testing.F) {
	for _, seed := range []string{"https://scim.example.com/Users/1", "http://a", "https:///x", "//a/b", "javascript:a", "https://a/\r\nX: y", "https://a/é", "https://a b", "https://[::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		if !isHeaderURL(location) {
			return
		}
		recorder := httptest.NewRecorder()
		recorder.Header().Set("Location", location)
		var wire bytes.Buffer
		if err := recorder.Header().Write(&wire); err != nil || wire.String() != "Location: "+location+"\r\n" {
			t.Errorf("%q becomes %q: %v", location, wire.String(), err)
		}
		if parsed, err := url.Parse(location); err != nil || parsed.Host == "" || !strings.HasPrefix(parsed.Scheme, "http") || strings.Trim(location, visible) != "" {
			t.Errorf("%q is no URL of a resource: %v", location, err)
		}
	})
}

// A body is held whole or not at all, however it arrives and is announced.
func FuzzHoldBody(f *testing.F) {
	f.Add([]byte("{}"), int64(2), int64(4), true)
	f.Add([]byte("{}"), int64(-1), int64(1), true)
	f.Add([]byte("{}"), int64(3), int64(9), false)
	f.Add([]byte("{}"), int64(-1), int64(2), false)
	f.Add([]byte("{}"), int64(holdLimit+1), int64(holdLimit+1), false)
	f.Fuzz(func(t *testing.T, sent []byte, length, limit int64, whole bool) {
		if length < -1 || limit < 1 || limit > 1<<20 || length > 1<<20 {
			return // not what net/http and the settings allow
		}
		arriving := sent
		end := io.EOF
		if length >= 0 && int64(len(sent)) >= length {
			arriving = sent[:length] // the rest is the next request
		} else if length >= 0 {
			end = io.ErrUnexpectedEOF
		}
		source := io.MultiReader(iotest.HalfReader(bytes.NewReader(arriving)), iotest.ErrReader(end))
		x := &exchange{body: &requestBody{body: source, length: length}}
		x.body.ended.Store(length == 0)
		err := x.holdBody(limit, whole, newLoad(1, 0))
		switch tooLarge := length > limit || length < 0 && whole && int64(len(sent)) > limit; {
		case tooLarge != errors.Is(err, errBodyTooLarge):
			t.Errorf("%d bytes, %d announced, %d allowed: %v", len(sent), length, limit, err)
		case int64(len(x.body.held)) > limit:
			t.Errorf("%d bytes are held, %d allowed", len(x.body.held), limit)
		case err == nil && x.body.held != nil && (!bytes.Equal(x.body.held, arriving) || x.body.length != int64(len(arriving)) || !errors.Is(end, io.EOF)):
			t.Errorf("%q is held of %q", x.body.held, arriving)
		case err == nil && whole && length != 0 && x.body.held == nil:
			t.Error("nothing is held")
		}
	})
}

// A header that can carry a credential carries it alone; a user and a password
// come out of HTTP Basic as they went in.
func FuzzScheme(f *testing.F) {
	for _, seed := range []string{"X-Api-Key", "x-api-key", "host", "If-Match", "A B", "X-Api-Key:", "Cookie", "", "authorization", "te"} {
		f.Add(seed, "scim-user", "pass:word")
	}
	f.Fuzz(func(t *testing.T, name, user, password string) {
		secret := token.NewSecret(password)
		if CanCarryCredential(name) && secret.Validate() == nil {
			header := forwardedHeader(http.Header{http.CanonicalHeaderKey(name): {"forged"}, "Authorization": {"forged"}})
			(&Scheme{Header: name}).Present(header, secret)
			var wire bytes.Buffer
			if err := header.Write(&wire); err != nil || wire.String() != http.CanonicalHeaderKey(name)+": "+password+"\r\n" {
				t.Errorf("%q becomes %q: %v", name, wire.String(), err)
			}
		}
		if user != "" && !strings.Contains(user, ":") && secret.ValidatePassword() == nil {
			request := &http.Request{Header: http.Header{}}
			(&Scheme{User: user}).Present(request.Header, secret)
			if gotUser, got, ok := request.BasicAuth(); !ok || gotUser != user || got != password {
				t.Errorf("%q, %q become %q, %q", user, password, gotUser, got)
			}
		}
	})
}
