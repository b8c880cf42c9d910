package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/verdict"
)

type cycleOptions struct {
	client entra.Options
	people directory.Options
	asJSON bool
}

func parseCycle(args []string, std stdio) (options cycleOptions, err error) {
	var dialect string
	flags := flag.NewFlagSet("cycle", flag.ContinueOnError)
	flags.StringVar(&options.client.TenantURL, "url", "", "the SCIM base `URL`, as in the portal's Tenant URL (required)")
	flags.StringVar(&options.client.Token, "token", "", "the bearer `token`, as in the portal's Secret Token (required)")
	flags.IntVar(&options.people.Users, "users", 1000, "`number` of users to provision")
	flags.IntVar(&options.people.Groups, "groups", 50, "`number` of groups to provision")
	flags.StringVar(&dialect, "dialect", "", "default or compliant; without it the URL's flag decides")
	flags.Uint64Var(&options.people.Seed, "seed", 1, "chooses the people, the groups and what changes")
	flags.BoolVar(&options.asJSON, "json", false, "print everything as JSON")
	if err := parse(flags, args, std); err != nil {
		return cycleOptions{}, err
	}
	options.people.Memberships = min(5*options.people.Users, options.people.Users*options.people.Groups)
	problem := ""
	switch {
	case options.client.TenantURL == "":
		problem = "--url is required"
	case options.client.Token == "":
		problem = "--token is required"
	case options.people.Users < 1 || options.people.Groups < 0:
		problem = "--users is at least 1, and --groups at least 0"
	}
	if options.client.TenantURL, err = entra.WithDialect(options.client.TenantURL, dialect); err != nil && problem == "" {
		problem = err.Error()
	}
	if problem != "" {
		fmt.Fprintln(std.err, "lab cycle:", problem)
		flags.Usage()
		return cycleOptions{}, errUsage
	}
	return options, nil
}

// errShort is a verdict that is not OK.
var errShort = errors.New("the endpoint falls short of what Entra needs")

// runCycle answers whether Entra will provision against an endpoint.
func runCycle(ctx context.Context, args []string, std stdio) error {
	options, err := parseCycle(args, std)
	if err != nil {
		return err
	}
	d, err := directory.Generate(options.people)
	if err != nil {
		return err
	}
	client, err := entra.New(options.client)
	if err != nil {
		return err
	}
	defer client.Close()
	bar := newProgress(std.err)
	told := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(told)
		bar.clear()
		fmt.Fprintln(std.err, "lab cycle: removing what was created; a second Ctrl-C leaves it behind")
	})
	v, err := verdict.Run(ctx, verdict.Options{
		Client: client, Seed: options.people.Seed, Progress: bar.show,
		Job: entra.JobOptions{Directory: d, Seed: options.people.Seed, UsersOnly: options.people.Groups == 0, Parallel: parallel},
	})
	if !forget() {
		<-told
	}
	bar.clear()
	if err != nil {
		if ctx.Err() != nil {
			v.PrintLeft(std.err)
			return fmt.Errorf("interrupted; left behind: %d", len(v.Left))
		}
		return err
	}
	if options.asJSON {
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(v); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	} else {
		v.Print(std.out)
	}
	if !v.OK {
		return errShort
	}
	return nil
}

// parallel is how many calls are made at once; Entra's limit is not published.
const parallel = 16

// progress is a bar on a terminal, for runs that take long.
type progress struct {
	bar *progressbar.ProgressBar // nil: nobody looks
}

func newProgress(w io.Writer) progress {
	file, ok := w.(*os.File)
	if !ok {
		return progress{}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return progress{}
	}
	return progress{progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("calls"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

func (p progress) show(phase string, done, total int) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(phase)
	p.bar.ChangeMax(max(total, done+1)) // a bar that is full once stays so
	_ = p.bar.Set(done)                 // a terminal that fails has nobody to be told
}

func (p progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
