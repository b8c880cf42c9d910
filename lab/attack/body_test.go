package attack

import (
	"fmt"
	"testing"
)

// bodies are such that a rule reads them, and refuses or repairs them: nothing
// of what they say may show in the log, nor in an answer that refuses.
func bodies() attackClass {
	c := attackClass{name: "Injection through bodies that rules read", guards: "CWE-117, CWE-209, RFC 8259 section 4"}
	for i, text := range []string{"{unlogged}", `{unlogged}\r\n{\"level\":\"error\"}`, `\u001b[31m{unlogged}`, `{unlogged}\u0000`, `{unlogged}\u2028`, `\ud800{unlogged}`} {
		for j, body := range []string{
			`{"%[1]s":1,"%[1]s":2}`, `{"a":"%[1]s"`, `{"a":%[1]s}`, `["%[1]s"]`, `{"schemas":["%[1]s"],"Operations":[{"op":"%[1]s","path":"%[1]s","value":"%[1]s"}]}`,
			`{"Operations":[{"op":"Remove","path":"members","value":"%[1]s"}]}`, `{"Operations":[{"op":"Remove","path":"members","value":[{"value":{"%[1]s":1}}]}]}`,
			`{"Operations":[{"op":"Replace","path":"emails[type eq \"%[1]s\"","value":"x"}]}`, `{"Operations":[{"op":"Add","value":{"%[1]s.%[1]s[":true}}]}`, `{"Operations":"%[1]s"}`, `{"active":"%[1]s","userName":"%[1]s"}`,
		} {
			raw := fmt.Sprintf(body, text)
			for _, method := range []string{"PATCH", "POST"} {
				c.vectors = append(c.vectors, vector{
					id: fmt.Sprint(method, " ", i, ".", j, " ", raw), reach: 1, may: true,
					raw: call(method, "{path}", "Content-Type: application/scim+json\r\n"+length(raw)) + raw,
				})
			}
		}
	}
	return c
}

// With all rules on, bodies are read. Of what they say nothing shows.
func TestBodies(t *testing.T) {
	inEachWorld(t, []string{"NORMALIZE=all"}, func(t *testing.T, w *world) {
		for _, b := range w.mount(t, bodies().vectors) {
			t.Errorf("%q: %s", b.vector, b.what)
		}
	})
}
