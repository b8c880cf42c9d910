//go:build unix

package failure

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated part of docs/reliability.md")

const (
	page      = "../../docs/reliability.md"
	pageBegin = "<!-- faults: generated from lab/failure by go test ./lab/failure -run Page -update -->\n"
	pageEnd   = "<!-- end of faults -->\n"
)

// The page's table is the one that TestFaults plays, in words.
func TestPageHasTheFaults(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), pageBegin)
	have, after, ok2 := strings.Cut(rest, pageEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", page, pageBegin, pageEnd)
	}
	want := pageTable(rows())
	if have == want {
		return
	}
	if !*update {
		t.Fatal("the page's faults are not those of the tests: run go test ./lab/failure -run Page -update")
	}
	if err := os.WriteFile(page, []byte(before+pageBegin+want+pageEnd+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pageTable is the table, and what TestFaults holds its run against.
func pageTable(matrix []row) string {
	var b strings.Builder
	b.WriteString("\n| Between | Fault | What Entra sees | In the log | State of the backend | Afterwards |\n|---|---|---|---|---|---|\n")
	for _, r := range matrix {
		for i, e := range r.calls {
			between, fault, after := string(r.pair), r.fault, r.afterwards()
			if i > 0 {
				between, fault, after = "", "", ""
			}
			logged := e.logged()
			if extra := strings.Join(quoted(r.logs), ", "); extra != "" {
				logged += "; before, " + extra
			}
			fmt.Fprintf(&b, "| %s | %s | %s: %s | %s | %s | %s |\n", between, fault, strings.Join(e.methods, ", "), e.seen(), logged, e.state(), after)
		}
	}
	fmt.Fprintf(&b, "\n%d rows, %d faults injected: operations lost 0, reported as done that were not 0, done twice by the proxy 0. Afterwards is Entra's repeat: 409 to a POST and 404 to a DELETE that were executed count as success.\n\n", len(matrix), planned(matrix))
	return b.String()
}

// afterwards is what the same call meets when the fault is over.
func (r row) afterwards() string {
	if r.after != "" {
		return r.after
	}
	if r.within > 0 {
		return fmt.Sprintf("succeeds within %v", r.within)
	}
	return "the same call succeeds at once"
}

// seen is what Entra sees. Of an error it reads the sentence of its class.
func (e expect) seen() string {
	var list []string
	for _, sees := range e.sees {
		if len(sees) == 3 && sees != "404" && !slices.Equal(e.log, []string{noLine}) {
			sees += " (" + strings.Join(e.details(), " Or: ") + ")"
		}
		list = append(list, sees)
	}
	return strings.Join(list, ", or ")
}

// details are the sentences of the lines that go with an error.
func (e expect) details() (list []string) {
	for _, line := range e.log {
		if _, class, _ := strings.Cut(line, " "); sentences[class] != "" && !slices.Contains(list, sentences[class]) {
			list = append(list, sentences[class])
		}
	}
	return list
}

// logged is the call's line.
func (e expect) logged() string {
	var list []string
	for _, line := range e.log {
		switch level, class, _ := strings.Cut(line, " "); {
		case line == noLine:
			list = append(list, "no line")
		case class == "":
			list = append(list, level+", no class")
		default:
			list = append(list, level+" `"+class+"`")
		}
	}
	return strings.Join(list, ", or ")
}

// state is how often the backend executes a call that writes.
func (e expect) state() string {
	if slices.Equal(e.methods, reads) {
		return "a GET changes nothing"
	}
	return map[[2]int]string{never: "unchanged", once: "changed once", onceOrNot: "changed once, or unchanged"}[e.executed]
}

func quoted(list []string) (out []string) {
	for _, text := range list {
		out = append(out, "`"+text+"`")
	}
	return out
}
