package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"

	"example.com/entra-scim-proxy/lab/entra"
)

type runOptions struct {
	handler   string // path of the proxy's binary
	port      int    // of the proxy; zero takes a free one
	normalize string // the proxy's setting
	once      bool
	vault     bool   // the proxy reads its secrets from a key vault, where they are replaced
	keepLog   string // file for the proxy's log; empty keeps none
}

func parseRun(args []string, std stdio) (runOptions, error) {
	var options runOptions
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&options.handler, "handler", "", "`path` of the proxy's binary (required)")
	flags.IntVar(&options.port, "port", 7071, "`port` of the proxy on 127.0.0.1; 0 takes a free one")
	flags.StringVar(&options.normalize, "normalize", "all", "the proxy's `NORMALIZE` setting; with none, calls fail")
	flags.BoolVar(&options.once, "once", false, "end after the calls; exit 1 unless each ended as it should")
	flags.BoolVar(&options.vault, "vault", false, "keep the secrets in a key vault, and replace both tokens there while calls go through")
	flags.StringVar(&options.keepLog, "keep-log", "", "`file` that keeps the proxy's log")
	if err := parse(flags, args, std); err != nil {
		return runOptions{}, err
	}
	if options.handler == "" {
		fmt.Fprintln(std.err, "lab run: --handler is required")
		flags.Usage()
		return runOptions{}, errUsage
	}
	return options, nil
}

// runLab sets everything up, plays Entra's calls through the proxy and, unless
// asked for one round only, keeps serving until the context ends.
func runLab(ctx context.Context, args []string, std stdio) (err error) {
	options, err := parseRun(args, std)
	if err != nil {
		return err
	}
	if err := checkHandler(options.handler); err != nil {
		return err
	}
	if options.port, err = checkPort(ctx, options.port); err != nil {
		return err
	}
	keep := (*stand).writeSecrets
	if options.vault {
		keep = (*stand).openVault
	}
	s, err := newStand(options.port, options.normalize, keep)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = errors.New("interrupted")
		} else if err != nil {
			s.showLogs(std.err)
		}
		err = errors.Join(err, s.close())
	}()
	logFile := options.keepLog
	if logFile == "" {
		logFile = s.path("proxy.log")
	}
	if err := s.startBackend(ctx); err != nil {
		return err
	}
	if err := s.startProxy(ctx, options.handler, logFile); err != nil {
		return err
	}
	err = s.play(ctx, std.out)
	if options.once || err != nil && !errors.Is(err, errCalls) {
		return err
	}
	if err != nil {
		s.showLogs(std.err)
	}
	writeServing(std.out, s, logFile)
	return s.serve(ctx)
}

// errCalls is the category of a run in which a call did not end as it should.
var errCalls = errors.New("calls did not end as they should")

// play makes the direct call, and a cycle in each of Entra's dialects, and
// with a vault rotates the tokens. It writes what came of them.
func (s *stand) play(ctx context.Context, w io.Writer) error {
	refusal, err := directCall(ctx, s.backendAddress)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "What Entra would see without the proxy: %s\n\n", refusal)
	var cycles []cycle
	for _, url := range s.tenantURLs() {
		client, err := entra.New(entra.Options{TenantURL: url, Token: s.entraToken})
		if err != nil {
			return err
		}
		cycles = append(cycles, cycle{client.Dialect(), client.Lifecycle(ctx)})
		client.Close()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintf(w, "Through the proxy, with NORMALIZE=%s, in Entra's default dialect and in that of the flag %s:\n\n", s.normalize, tenantFlag)
	failed, total := writeCycles(w, cycles)
	writePicture(w, s)
	if err := s.death(); err != nil {
		return err
	}
	if s.vault != nil {
		calls, err := s.rotate(ctx)
		if err != nil {
			return err
		}
		failed += writeRotation(w, calls)
		total += len(calls)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d %w", failed, total, errCalls)
	}
	return nil
}

// serve waits for the end of the context, which is a clean one, or for the
// death of a process, which is not.
func (s *stand) serve(ctx context.Context) error {
	died := make(chan struct{}, len(s.children))
	for _, c := range s.children {
		go func() { // ends with the child, which close ends
			<-c.ended
			died <- struct{}{}
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-died:
		return s.death()
	}
}

// checkHandler says what to do when there is no binary.
func checkHandler(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no proxy binary at %q; \"make run\" builds it first, or run: go build -o %s ./handler", path, path)
	case err != nil:
		return fmt.Errorf("look for the proxy binary: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("the proxy binary %q is not a file", path)
	}
	return nil
}

// checkPort returns the port to use once it is known to be free, so that a busy
// one is reported in words and before anything starts.
func checkPort(ctx context.Context, port int) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return 0, fmt.Errorf("port %d is in use on 127.0.0.1; end the program that holds it or choose another: set PORT=%d", port, other(port))
	case err != nil:
		return 0, fmt.Errorf("port %d cannot be used on 127.0.0.1: %w", port, err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func other(port int) int {
	if port < 65535 {
		return port + 1
	}
	return port - 1
}
