package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Print writes a result as tables for a person. Numbers of several rounds are
// medians, with the least and the greatest behind them.
func (r Result) Print(w io.Writer) {
	fmt.Fprintf(w, "%d calls over %d connections, %d rounds in turn; median (least..greatest)\n", r.Calls, r.Connections, r.Rounds)
	for _, scenario := range r.Scenarios {
		scenario.print(w, "A round of provisioning, no rules")
	}
	for _, scenario := range r.Rules {
		scenario.print(w, "A PATCH with four operations in Entra's default dialect")
	}
	if len(r.Starts) > 0 {
		printStarts(w, r.Starts)
	}
	if len(r.Streams) > 0 {
		printStreams(w, r.Streams)
	}
}

func (s Scenario) print(w io.Writer, calls string) {
	fmt.Fprintf(w, "\n%s; the backend offers %s\n", calls, s.Offer)
	table := newTable(w)
	fmt.Fprintln(table, "\tspeaks\trequests/s\tCPU µs/request\tp50 ms\tp99 ms\tidle MiB\tpeak MiB")
	for _, m := range s.Subjects {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Subject, m.Protocol,
			m.spread(func(s Sample) float64 { return s.PerSecond }).text(0),
			m.spread(func(s Sample) float64 { return s.CPU }).text(0),
			m.spread(func(s Sample) float64 { return s.P50 }).text(1),
			m.spread(func(s Sample) float64 { return s.P99 }).text(1),
			m.spread(func(s Sample) float64 { return s.Idle }).text(1),
			m.spread(func(s Sample) float64 { return s.Peak }).text(1))
	}
	table.Flush()
	for _, rival := range s.Subjects[1:] {
		fmt.Fprintf(w, "CPU per request, %s / %s: %s\n", s.Subjects[0].Subject, rival.Subject, ratio(s.Subjects[0], rival).text(2))
	}
}

func printStarts(w io.Writer, starts []Start) {
	fmt.Fprint(w, "\nFrom the exec to the first answer\n")
	table := newTable(w)
	fmt.Fprintln(table, "\tms\tidle MiB\tstarts")
	for _, s := range starts {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\n", s.Subject, spreadOf(s.Milliseconds).text(1), spreadOf(s.Idle).text(1), len(s.Milliseconds))
	}
	table.Flush()
}

func printStreams(w io.Writer, streams []Stream) {
	fmt.Fprintf(w, "\nA GET of %d MiB through the proxy\n", streamSize>>20)
	table := newTable(w)
	fmt.Fprintln(table, "backend offers\tframing\tpeak MiB before\tafter\traise\tMiB/s")
	for _, s := range streams {
		fmt.Fprintf(table, "%s\t%s\t%.1f\t%.1f\t%+.1f\t%.0f\n", s.Offer, s.Framing, s.Before, s.After, s.Raise(), s.PerSecond)
	}
	table.Flush()
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

func (s spread) text(digits int) string {
	return fmt.Sprintf("%.*f (%.*f..%.*f)", digits, s.median, digits, s.min, digits, s.max)
}
