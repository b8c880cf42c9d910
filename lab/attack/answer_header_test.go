package attack

import (
	"fmt"
	"strings"
)

// scimError is a SCIM Error as a backend would send it.
const scimError = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"403","detail":"no"}`

// statusVectors are answers that are refused, whatever else is in them, and
// header fields that stay behind.
func statusVectors() []answerVector {
	// What a backend might say of itself or to somebody else.
	private := strings.Join([]string{
		"Set-Cookie: session=canary", "Server: canary/1.0", "X-Powered-By: canary", "Via: 1.1 canary.corp.example.com", "WWW-Authenticate: Negotiate canary",
		"Proxy-Authenticate: Basic realm=canary", "Authorization: Bearer canary", "X-Canary: canary", "Link: <https://canary>; rel=preload", "Refresh: 0;url=canary",
		"Access-Control-Allow-Origin: https://canary.example.com", "Alt-Svc: h3=\"canary:443\"", "Strict-Transport-Security: max-age=0", "Location: https://canary.corp.example.com/",
		"Content-Location: /canary", "Clear-Site-Data: \"canary\"", "Content-Security-Policy: canary", "X-Accel-Redirect: /canary", "X-Sendfile: /canary",
		"X-MS-Request-Id: canary", "X-Azure-Functions-InvocationId: canary", "Warning: 199 canary", "Server-Timing: canary", "Upgrade: canary", "Keep-Alive: canary=5", "Nel: canary", "Trailer: Canary", "",
	}, "\r\n")
	answer := func(status int, body string) string {
		return fmt.Sprintf("HTTP/1.1 %d canary\r\n%sContent-Length: %d\r\n\r\n%s", status, private, len(body), body)
	}
	var vectors []answerVector
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{"GET", "POST"} {
			vectors = append(vectors, answerVector{
				id: fmt.Sprintf("redirect-%d-%s", status, strings.ToLower(method)), guards: "CVE-2023-45289, CVE-2024-45336, CVE-2025-4673",
				method: method, says: answer(status, `{"id":"canary"}`), want: failed("redirect"),
			})
		}
	}
	return append(vectors,
		answerVector{id: "redirect-to-metadata", guards: "SSRF, OWASP API7:2023", says: "HTTP/1.1 307 canary\r\nLocation: http://169.254.169.254/canary\r\nContent-Length: 0\r\n\r\n", want: failed("redirect")},
		answerVector{id: "redirect-here", guards: "CVE-2025-4673", says: "HTTP/1.1 302 canary\r\nLocation: " + insideBase + "/Users/canary\r\nContent-Length: 0\r\n\r\n", want: failed("redirect")},
		answerVector{id: "redirect-without-target", guards: "RFC 9110 15.4", says: "HTTP/1.1 301 canary\r\nContent-Length: 0\r\n\r\n", want: failed("redirect")},
		answerVector{id: "unauthorized", guards: "RFC 9110 15.5.2", says: answer(401, scimError), want: failed("credential_refused")},
		answerVector{id: "forbidden-page", guards: "RFC 9110 15.5.4", says: answer(403, "<html>canary"), want: failed("forbidden")},
		answerVector{id: "forbidden-almost-scim", guards: "RFC 7644 3.12", says: answer(403, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Errors"],"detail":"canary"}`), want: failed("forbidden")},
	)
}

// fieldVectors are answers that pass, of whose header only the list does.
func fieldVectors() []answerVector {
	const private = "Set-Cookie: session=canary\r\nServer: canary/1.0\r\nX-Powered-By: canary\r\nVia: 1.1 canary.corp.example.com\r\nWWW-Authenticate: Negotiate canary\r\n" +
		"Proxy-Authenticate: Basic realm=canary\r\nProxy-Authentication-Info: canary\r\nAuthentication-Info: canary\r\nAuthorization: Bearer canary\r\nX-Canary: canary\r\nLink: <https://canary>\r\nRefresh: 0;url=canary\r\n" +
		"Access-Control-Allow-Origin: https://canary.example.com\r\nAlt-Svc: h3=\"canary:443\"\r\nContent-Location: /canary\r\nX-Accel-Redirect: /canary\r\n" +
		"X-Azure-Functions-InvocationId: canary\r\nServer-Timing: canary\r\nKeep-Alive: canary=5\r\nNel: canary\r\nTrailer: Canary\r\nProxy-Connection: canary\r\n"
	var vectors []answerVector
	for _, status := range []int{200, 201, 202, 400, 404, 405, 407, 409, 412, 418, 429, 451, 500, 503, 511, 599} {
		vectors = append(vectors, answerVector{
			id: fmt.Sprintf("private-fields-%d", status), guards: "RFC 9110 7.6.1", method: "POST",
			says: fmt.Sprintf("HTTP/1.1 %d canary\r\n%sContent-Type: application/scim+json\r\nContent-Length: 2\r\n\r\n{}", status, private), want: passed(status, "{}"), stay: true,
		})
	}
	good := passed(200, "{}")
	return append(vectors,
		answerVector{id: "connection-names-fields", guards: "CVE-2021-33197, RFC 9110 7.6.1", says: ok200("{}", "Connection: Content-Length, Content-Type, X-Canary, close", "X-Canary: canary", "Keep-Alive: canary"), want: good},
		answerVector{id: "upgrade-offered", guards: "RFC 9110 7.8", says: ok200("{}", "Connection: Upgrade", "Upgrade: h2c, canary"), want: good, stay: true},
		answerVector{id: "fields-with-controls", guards: "CVE-2026-42507, RFC 9110 5.5", says: ok200("{}", "X-Canary: \x1b[31m\x07canary\x7f"), want: failed("bad_answer")},
		answerVector{id: "field-with-bare-cr", guards: "RFC 9112 2.2", says: ok200("{}", "X-A: a\rSet-Cookie: canary"), want: failed("bad_answer")},
		answerVector{id: "error-page-with-secrets", guards: "OWASP API10:2023", says: "HTTP/1.1 500 canary\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", want: passed(500, "{}")},
		answerVector{id: "forbidden-as-scim", guards: "RFC 7644 3.12", says: fmt.Sprintf("HTTP/1.1 403 canary\r\n%sContent-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n%s", private, len(scimError), scimError), want: passed(403, scimError)},
	)
}
