package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"example.com/entra-scim-proxy/lab/bench"
)

func parseBench(args []string, std stdio) (options bench.Options, asJSON bool, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&options.Handler, "handler", "", "`path` of the proxy's binary (required)")
	flags.IntVar(&options.Calls, "calls", 8000, "`number` of calls in one measurement")
	flags.IntVar(&options.Connections, "connections", 64, "`number` of connections that make them")
	flags.IntVar(&options.Rounds, "rounds", 5, "`number` of measurements of each subject")
	flags.BoolVar(&options.RulesOnly, "rules", false, "measure only what the rules cost")
	flags.BoolVar(&asJSON, "json", false, "print every measurement as JSON")
	if err := parse(flags, args, std); err != nil {
		return options, asJSON, err
	}
	if options.Handler == "" {
		fmt.Fprintln(std.err, "lab bench: --handler is required")
		flags.Usage()
		return options, asJSON, errUsage
	}
	if options.Calls < 1 || options.Connections < 1 || options.Rounds < 1 {
		fmt.Fprintln(std.err, "lab bench: --calls, --connections and --rounds are at least 1")
		return options, asJSON, errUsage
	}
	return options, asJSON, nil
}

// runBench measures the proxy next to the plainest one. Timing never fails it.
func runBench(ctx context.Context, args []string, std stdio) (err error) {
	options, asJSON, err := parseBench(args, std)
	if err != nil {
		return err
	}
	if err := checkHandler(options.Handler); err != nil {
		return err
	}
	if options.Self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if options.Dir, err = os.MkdirTemp("", "entra-scim-bench-"); err != nil { // 0700
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(options.Dir)) }()
	options.Start = startProgram
	result, err := bench.Run(ctx, options)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(result)
	}
	result.Print(std.out)
	return nil
}

func startProgram(ctx context.Context, program bench.Program) (*bench.Process, error) {
	c, err := startChild(ctx, childSpec{
		name: program.Name, path: program.Path, args: program.Args,
		env:   childEnvironment(os.Environ(), program.Settings...),
		stdin: program.Stdin, stdout: program.Stdout, stderr: program.Stderr,
	})
	if err != nil {
		return nil, err
	}
	return &bench.Process{PID: c.pid, Ended: c.ended, Stop: c.stop}, nil
}

// runPlain serves the bench's rival.
func runPlain(ctx context.Context, args []string, std stdio) error {
	if err := parse(flag.NewFlagSet(bench.PlainCommand, flag.ContinueOnError), args, std); err != nil {
		return err
	}
	return bench.Plain(ctx, os.Getenv)
}

// runBenchBackend serves the bench's backend.
func runBenchBackend(ctx context.Context, args []string, std stdio) error {
	if err := parse(flag.NewFlagSet(bench.BackendCommand, flag.ContinueOnError), args, std); err != nil {
		return err
	}
	return bench.Backend(ctx, std.in, std.out)
}

// checkHandler says what to do when there is no binary.
func checkHandler(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no proxy binary at %q; \"make handler\" builds it, or run: go build -o %s ./handler", path, path)
	case err != nil:
		return fmt.Errorf("look for the proxy binary: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("the proxy binary %q is not a file", path)
	}
	return nil
}
