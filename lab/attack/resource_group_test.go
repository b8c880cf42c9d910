package attack

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// groupTexts are hostile, and ids of stubbed groups can hold them.
func groupTexts() []string {
	var list []string
	for _, text := range []string{
		"\r\n{\"level\":\"error\"}", "\r\nSet-Cookie: a=b", "\n\n<html>", "\x1b[31mred\x1b]0;title\a", "a\x00b", "\x01\x02\x7f", "\"}],\"x\":{\"y\":\"", "\\\"\\u0022", "'; DROP TABLE groups;--", "<script>alert(1)</script>", "<!-- -->]]>",
		"../../admin", "..\\..\\admin", "%2e%2e%2f", "%0d%0aX: y", "/etc/passwd", "http://169.254.169.254/", "//contoso.example", "?filter=a&count=1#x", "{{7*7}}${jndi:ldap://a}", "%s%n%25", "=cmd|' /C calc'!A0",
		"\u202efdp.exe\u202c", "\u2066\u2069\u200f", "\u2028\u2029\u0085", "\ufeffbom", "\ufffe\uffff", "\U0001f600\u200d", "a\u0301\u0301\u0301", "\u212a", "\u00a0 ", " ", "null", "__proto__", strings.Repeat("\x1b", 1024), strings.Repeat("\"", 1024), strings.Repeat("\u202e", 341),
	} {
		list = append(list, text+hostile[:min(len(hostile), max(0, 1024-len(text)))])
	}
	return list
}

// brokenIDs are no ids of the stub's.
func brokenIDs() map[string]string {
	encode := func(raw string) string { return "x-" + base64.RawURLEncoding.EncodeToString([]byte(raw)) }
	return map[string]string{
		"overlong slash": encode("\xc0\xaf"), "overlong NUL": encode("\xc0\x80"), "surrogate": encode("\xed\xa0\x80"), "beyond U+10FFFF": encode("\xf4\x90\x80\x80"), "0xff": encode("\xff\xfe"), "truncated sequence": encode("a\xe2\x82"),
		"nothing": "x-", "padding": "x-YQ==", "bits to spare": "x-YR", "one character": "x-Y", "the other alphabet": "x-+/+/", "an escaped line break": "x-YQ%0A", "an escaped NUL": "x-YQ%00", "an escaped slash": "x-YQ%2fYQ", "dots": "x-..",
		"1,025 bytes": encode(strings.Repeat("a", 1025)), "100 KB": encode(strings.Repeat("a", 75_000)), "900 KB": encode(strings.Repeat("\x1b", 675_000)), "2 MB": encode(strings.Repeat("a", 1_500_000)), "another mark": "y-YQ", "no mark": "YQ", "a mark twice": "x-x-YQ", "letters of Unicode": "x-%E2%84%AA",
	}
}

// tryGroupIDs reads each group and creates it, as Entra would. It gets the text
// back as JSON holds it, a plain URL, and nothing else shows it.
func tryGroupIDs(t *testing.T, w *world) {
	client := newClient(t, 4)
	w.took()
	var running sync.WaitGroup
	slots := make(chan struct{}, 4)
	start := func(run func()) {
		slots <- struct{}{}
		running.Go(func() { // ends with its calls
			defer func() { <-slots }()
			run()
		})
	}
	for _, text := range groupTexts() {
		start(func() { tryGroup(t, w, client, text) })
	}
	for name, id := range brokenIDs() {
		for _, method := range []string{"GET", "DELETE", "PATCH"} {
			start(func() {
				got, err := w.call(t.Context(), client, method+" /scim/Groups/"+id, nil)
				if err != nil || got.status < 400 || got.status == 500 && !w.behindHost || got.status > 500 {
					t.Errorf("%s, %s: %d %v %.200s", method, name, got.status, err, got.body)
				}
			})
		}
	}
	running.Wait()
	if got := w.took(); len(got) > 0 {
		t.Errorf("%d calls reached the backend, such as %s %.200s", len(got), got[0].method, got[0].uri)
	}
	for _, line := range w.settle(t) {
		for _, wrong := range w.judgeLine(line) {
			t.Error(wrong)
		}
		for _, text := range groupTexts() {
			if id := base64.RawURLEncoding.EncodeToString([]byte(text)); len(id) > 8 && strings.Contains(line, id) {
				t.Errorf("the log has the id of %q", text)
			}
		}
	}
}

func tryGroup(t *testing.T, w *world, client *http.Client, text string) {
	id := "x-" + base64.RawURLEncoding.EncodeToString([]byte(text))
	body, err := json.Marshal(map[string]string{"externalId": text, "displayName": text})
	if err != nil {
		t.Error(err)
		return
	}
	for line, body := range map[string][]byte{"GET /scim/Groups/" + id: nil, "POST /scim/Groups": body} {
		got, err := w.call(t.Context(), client, line, body)
		if err != nil || got.status != http.StatusOK && got.status != http.StatusCreated {
			t.Errorf("%q, %.10s: %d %v %.200s", text, line, got.status, err, got.body)
			continue
		}
		judgeGroup(t, text, id, w.Origin+"/scim/Groups/"+id, got)
	}
}

func judgeGroup(t *testing.T, text, id, location string, got answer) {
	t.Helper()
	var group struct {
		ID, ExternalID, DisplayName string
		Meta                        struct{ Location string }
	}
	if err := json.Unmarshal(got.body, &group); err != nil {
		t.Errorf("%q: no JSON: %v", text, err)
		return
	}
	if group.ID != id || group.ExternalID != text || group.DisplayName != text || group.Meta.Location != location {
		t.Errorf("%q comes back as %+v", text, group)
	}
	raw := string(got.body)
	if strings.ContainsFunc(raw, func(c rune) bool { return c < ' ' }) || strings.ContainsAny(raw, "<>\u2028\u2029") {
		t.Errorf("%q is in the answer as it is", text)
	}
	if got.header.Get("Content-Type") != "application/scim+json" {
		t.Errorf("%q comes as %s", text, got.header.Get("Content-Type"))
	}
	for name, values := range got.header {
		for _, value := range values {
			if strings.Contains(value, hostile) || name == "Set-Cookie" {
				t.Errorf("%q is in the field %s", text, name)
			}
		}
	}
	if at := got.header.Get("Location"); got.status == http.StatusCreated && at != location {
		t.Errorf("%q is at %q, want %q", text, at, location)
	}
	if parsed, err := url.Parse(group.Meta.Location); err != nil || parsed.EscapedPath() != "/scim/Groups/"+id || parsed.RawQuery != "" || parsed.Fragment != "" {
		t.Errorf("%q makes no plain URL: %q, %v", text, group.Meta.Location, err)
	}
}
