// Command lab runs everything that stands in for the outside world around the
// proxy: Entra, SCIM backends of the field, a private certificate authority, a
// key vault, the Functions host, and a window onto all of it. It is never shipped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"example.com/entra-scim-proxy/lab/bench"
)

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// command is one subcommand. Its run ends when the context does, and returns
// one sentence for the person at the terminal.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, std stdio) error
}

func commands() []command {
	return []command{
		{"run", "start a backend and the proxy, play Entra's calls, keep serving", runLab},
		{"cycle", "tell whether Entra will provision against a SCIM endpoint", runCycle},
		{"bench", "measure the proxy next to a plain ReverseProxy", runBench},
		{bench.PlainCommand, "serve that plain ReverseProxy", runPlain},
		{bench.BackendCommand, "serve the bench's backend, configured on standard input", runBenchBackend},
	}
}

// errUsage is for arguments that were already explained on standard error.
var errUsage = errors.New("usage")

func main() {
	// Everything that would end us without ending the children, which a
	// terminal's signals do not reach; SIGPIPE comes from a reader that left.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	// A second Ctrl-C ends even what cleans up. A terminal that is closed sends
	// SIGHUP twice, and a pipe that nobody reads SIGPIPE for each line.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) })
	code := dispatch(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// dispatch runs one subcommand and returns the exit code: 0, 1 for an error, 2
// for arguments that make no sense.
func dispatch(ctx context.Context, args []string, std stdio) int {
	if len(args) == 0 {
		usage(std.err)
		return 2
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, args[1:], std)
		switch {
		case err == nil || errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			return 2
		}
		fmt.Fprintf(std.err, "lab %s: %v\n", c.name, err)
		return 1
	}
	fmt.Fprintf(std.err, "lab: unknown subcommand %q\n", args[0])
	usage(std.err)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: go run ./lab SUBCOMMAND [flags]\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.summary)
	}
	table.Flush()
}

// parse reads a subcommand's flags; it takes no other arguments.
func parse(flags *flag.FlagSet, args []string, std stdio) error {
	flags.SetOutput(std.err)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case flags.NArg() > 0:
		fmt.Fprintf(std.err, "lab %s: unexpected argument %q\n", flags.Name(), flags.Arg(0))
		flags.Usage()
		return errUsage
	}
	return nil
}
