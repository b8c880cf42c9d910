package check

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Printer writes results for people, line by line as they come. The zero Colour
// writes plain text.
type Printer struct {
	// Out gets the lines. What cannot be written to it is lost.
	Out io.Writer
	// Colour marks how a step ended with the colours of a terminal (ECMA-48
	// section 8.3.117).
	Colour bool
}

// colours are those of ECMA-48.
var colours = map[Status]string{Pass: "32", Warn: "33", Fail: "31", Skip: "2"}

const (
	// nameWidth is what the names of steps take, in characters.
	nameWidth = 28
	indent    = "            "
)

// See prints a result.
func (p Printer) See(result Result) {
	took := ""
	if result.Status != Skip {
		took = fmt.Sprintf("%d ms", result.Took.Round(time.Millisecond).Milliseconds())
	}
	found := result.Found
	if result.Class != "" {
		found = strings.TrimSpace(found + " (" + result.Class + ")")
	}
	p.line("%s  %-*s%9s  %s", p.status(result.Status), nameWidth, result.Step, took, found)
	for _, part := range []struct{ name, text string }{{"cause", result.Cause}, {"to do", result.Remedy}, {"rules", result.Rules}} {
		if part.text != "" {
			p.line(indent+"%s: %s", part.name, part.text)
		}
	}
	for _, detail := range result.Details {
		p.line(indent+"- %s", detail)
	}
}

// Close prints what a report says as a whole.
func (p Printer) Close(report Report) {
	count := map[Status]int{}
	for _, result := range report.Steps {
		count[result.Status]++
	}
	if len(report.Recommended) > 0 {
		p.line("\nRecommended:")
		for _, name := range slices.Sorted(maps.Keys(report.Recommended)) {
			p.line("  %s=%s", name, report.Recommended[name])
		}
	}
	p.line("\n%s  %d passed, %d with a warning, %d failed, %d skipped, in %.1f s",
		p.status(report.Result), count[Pass], count[Warn], count[Fail], count[Skip], report.Took.Seconds())
}

// marked is a text of ours, and may hold what moves a terminal.
type marked string

func (p Printer) status(status Status) marked {
	if !p.Colour {
		return marked(status)
	}
	return marked("\x1b[" + colours[status] + "m" + string(status) + "\x1b[0m")
}

// line prints a line. Of what its arguments hold only what can be printed comes
// through: a certificate's names are whatever its owner likes, such as what moves
// a terminal's cursor.
func (p Printer) line(format string, arguments ...any) {
	for i, argument := range arguments {
		if text, ok := argument.(string); ok {
			arguments[i] = strings.Map(shown, text)
		}
	}
	_, _ = fmt.Fprintln(p.Out, strings.TrimRight(fmt.Sprintf(format, arguments...), " "))
}

func shown(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}
