package verdict

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/entra-scim-proxy/lab/entra"
)

// most is how many rows of one kind are printed; JSON has all of them.
const most = 20

// Print writes the verdict for people.
func (v Verdict) Print(w io.Writer) {
	fmt.Fprintf(w, "Users: %d, groups: %d, memberships: %d, in the %s dialect\n\n", v.Users, v.Groups, v.Memberships, v.Dialect)
	v.printPhases(w)
	v.printChecks(w)
	rows(w, "Answers that are not what Entra needs", v.Findings, func(f Finding) string {
		severity := "noted"
		if f.Fatal {
			severity = "fatal"
		}
		return fmt.Sprintf("%s, %d×: %s (%s)\n    %s %s: %d: %s", severity, f.Count, f.Sentence, f.Source, f.Method, f.Path, f.Status, f.Detail)
	})
	rows(w, "What Entra could not do, or not at once", v.Failures, func(f Failure) string {
		parts := []string{f.Phase, f.Object, f.Step, f.Reason}
		return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ": ")
	})
	rows(w, "Where the endpoint differs from the directory", v.Differences, entra.Difference.String)
	v.PrintLeft(w)
	if v.OK {
		fmt.Fprintln(w, "\n✓ Entra will provision against this endpoint.")
		return
	}
	fmt.Fprintln(w, "\n✗ This endpoint falls short:")
	for _, sentence := range v.Shortfalls {
		fmt.Fprintf(w, "  %s.\n", sentence)
	}
}

// PrintLeft writes what could not be removed, for whoever has to do it by hand;
// nothing if nothing is left.
func (v Verdict) PrintLeft(w io.Writer) {
	rows(w, "Left behind", v.Left, func(l entra.Leftover) string {
		return fmt.Sprintf("%s %s (%s): %s", l.Kind, l.Name, cmp.Or(l.ID, "if it exists"), l.Reason)
	})
}

func (v Verdict) printPhases(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "phase\tcalls\tfailed\tseconds\tcalls/s\tmedian ms\t99 % ms\tmost ms")
	for _, p := range v.Phases {
		fmt.Fprintf(table, "%s\t%d\t%d\t%.1f\t%.0f\t%.1f\t%.1f\t%.1f\n",
			p.Name, p.Calls, p.Failed, p.Seconds, float64(p.Calls)/max(p.Seconds, 1e-3), p.Median, p.P99, p.Most)
	}
	table.Flush()
}

// printChecks writes a line for each list, and one for each check that did not
// pass.
func (v Verdict) printChecks(w io.Writer) {
	for _, list := range []struct{ name, title string }{
		{entra.ListValidator, "Microsoft's validator"}, {entra.ListSuite, "Microsoft's suite for the gallery"},
	} {
		states := map[string]int{}
		for _, c := range v.Checks {
			if c.List == list.name {
				states[c.State]++
			}
		}
		if len(states) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s: %d passed, %d failed, %d skipped, %d not applicable\n", list.title, states[entra.CheckPassed],
			states[entra.CheckFailed], states[entra.CheckSkipped], states[entra.CheckNotApplicable])
		for _, c := range v.Checks {
			if c.List == list.name && c.State != entra.CheckPassed {
				fmt.Fprintf(w, "  %s %s (%s): %s: %s\n", mark(c), c.Name, c.Kind, c.State, c.Detail)
			}
		}
	}
}

func mark(c Check) string {
	if c.State == entra.CheckNotApplicable {
		return "-"
	}
	return "✗"
}

// rows writes a title and the first rows of a list; nothing if it is empty.
func rows[T any](w io.Writer, title string, list []T, text func(T) string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, row := range list[:min(len(list), most)] {
		fmt.Fprintf(w, "  %s\n", text(row))
	}
	if more := len(list) - most; more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}
