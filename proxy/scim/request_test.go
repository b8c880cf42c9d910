package scim_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/proxy/scim"
)

// ruleCase is a case of testdata/rules.txt.
type ruleCase struct {
	name, rules         string
	kind                scim.Body
	input, want, refuse string
}

const customSchema = "urn:ietf:params:scim:schemas:extension:custom:2.0:User:"

func (c *ruleCase) normalizer(t testing.TB) *scim.Normalizer {
	t.Helper()
	rules, err := scim.ParseRules(c.rules)
	if err != nil {
		t.Fatal(err)
	}
	return known(t, rules)
}

func ruleCases(t testing.TB) []ruleCase {
	t.Helper()
	data, err := os.ReadFile("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]scim.Body{"patch": scim.Patch, "create": scim.Create, "replace": scim.Replace}
	var cases []ruleCase
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			continue
		}
		name, rest, _ := strings.Cut(lines[i], ": ")
		kind, rules, _ := strings.Cut(rest, " ")
		c := ruleCase{name: name, rules: rules, kind: kinds[kind], input: lines[i+1], want: lines[i+2]}
		if refuse, ok := strings.CutPrefix(c.want, "error "); ok {
			c.want, c.refuse = "", refuse
		} else if c.want == "unchanged" {
			c.want = c.input
		}
		cases = append(cases, c)
		i += 2
	}
	if len(cases) < 80 {
		t.Fatalf("only %d cases were read", len(cases))
	}
	return cases
}

func TestRequestRules(t *testing.T) {
	for _, c := range ruleCases(t) {
		t.Run(c.name, func(t *testing.T) {
			n, input := c.normalizer(t), []byte(c.input)
			output, fired, err := request(n, c.kind, input)
			if c.refuse != "" {
				if err == nil || err.Error() != c.refuse || output != nil {
					t.Fatalf("got %s and error %v\nwant error %s", output, err, c.refuse)
				}
				if !errors.Is(err, scim.ErrSyntax) && !errors.Is(err, scim.ErrValue) {
					t.Error("the error is of no known kind")
				}
				return
			}
			if err != nil || string(output) != c.want {
				t.Fatalf("by %s, %v\ngot  %s\nwant %s", fired, err, output, c.want)
			}
			if changed := string(output) != c.input; changed != (fired != 0) {
				t.Errorf("changed: %t, but rules that fired: %q", changed, fired)
			}
			if string(input) != c.input {
				t.Errorf("the input was overwritten: %s", input)
			}
			again, fired, err := request(n, c.kind, output)
			if err != nil || fired != 0 {
				t.Errorf("a second time: %s by %s, %v", again, fired, err)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	n := (&ruleCase{rules: "all"}).normalizer(t)
	nested := func(depth int) []byte {
		return []byte(`{"x":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`)
	}
	if _, _, err := request(n, scim.Patch, nested(64)); err != nil {
		t.Errorf("depth 64: %v", err)
	}
	for _, depth := range []int{65, 100_000} {
		if _, _, err := request(n, scim.Patch, nested(depth)); !errors.Is(err, scim.ErrSyntax) || !strings.Contains(err.Error(), "deeper than 64") {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// The bound keeps a body of small values from costing hundreds of times its
// length in memory.
func TestNumberOfValues(t *testing.T) {
	n := (&ruleCase{rules: "all"}).normalizer(t)
	list := func(values int) []byte { return []byte(`{"x":[0` + strings.Repeat(",0", values-3) + `]}`) }
	if _, _, err := request(n, scim.Patch, list(1<<17)); err != nil {
		t.Errorf("131072 values: %v", err)
	}
	if _, _, err := request(n, scim.Patch, list(1<<17+1)); !errors.Is(err, scim.ErrSyntax) || !strings.Contains(err.Error(), "more than 131072 values") {
		t.Errorf("131073 values: %v", err)
	}
}

// What a body makes the rules do is in proportion to its length, whatever it
// holds.
func TestHostileBodies(t *testing.T) {
	n := known(t, scim.Set(everyRule))
	repeat := func(format string, times int) string {
		var b strings.Builder
		for i := range times {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, test := range map[string]struct {
		kind scim.Body
		body string
	}{
		"one operation for each of many": {scim.Patch, `{"Operations":[{"op":"Remove","path":"members","x":"` + strings.Repeat("y", 48<<10) + `","value":["a"` + strings.Repeat(`,"a"`, 8000) + `]}]}`},
		"one path for each of many":      {scim.Patch, `{"Operations":[{"op":"Add","x":"` + strings.Repeat("y", 48<<10) + `","value":{"title":"x"` + repeat(`,"a%d.b":1`, 8000) + `}}]}`},
		"a long filter":                  {scim.Patch, `{"Operations":[{"op":"add","path":"roles[primary eq \"True\"` + strings.Repeat(` or primary eq \"True\"`, 10_000) + `].value","value":"x"}]}`},
		"many schemas":                   {scim.Create, `{"schemas":["x"` + strings.Repeat(`,"urn:ietf:params:scim:schemas:core:2.0User"`, 10_000) + `]` + repeat(`,"urn:ietf:params:scim:schemas:extension:a%d:2.0:User":{}`, 2000) + `}`},
		"many targets":                   {scim.Patch, `{"Operations":[{"op":"Add","path":"title","value":"x"}` + repeat(`,{"op":"Add","path":"emails[type eq \"%d\"].value","value":"x"}`, 4000) + `]}`},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		output, fired, err := request(n, test.kind, []byte(test.body))
		if err != nil || fired == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		if test.kind == scim.Patch {
			n.NeedsResource(output)
			n.Complete(output, []byte(`{"id":"1"}`))
		}
		runtime.ReadMemStats(&after)
		if len(output) > 10*len(test.body) {
			t.Errorf("%s: %d bytes became %d", name, len(test.body), len(output))
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 128<<20 {
			t.Errorf("%s: took %d MiB of memory", name, cost>>20)
		}
	}
}

func TestInvalidUTF8IsRefused(t *testing.T) {
	n := (&ruleCase{rules: "all"}).normalizer(t)
	for _, body := range []string{"{\"x\":\"\xff\"}", "{\"\xc0\xaf\":1}", `{"x":"\ud800"}`, "\xef\xbb\xbf{}"} {
		if _, _, err := request(n, scim.Patch, []byte(body)); !errors.Is(err, scim.ErrSyntax) {
			t.Errorf("%q: %v", body, err)
		}
	}
}
