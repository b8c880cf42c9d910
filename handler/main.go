// Handler is a reverse proxy between Microsoft Entra ID's provisioning service
// and an internal SCIM 2.0 backend. It runs as an Azure Functions custom
// handler and is an ordinary HTTP server anywhere else.
//
//	handler          # serve
//	handler check    # why Test Connection fails: --json, --write
//	handler version  # what this binary is built from
//
// All settings are environment variables; the type settings lists them, and the
// README shows that list. Bad settings are reported together: on standard
// error, with exit status 78, or in Azure in the log, with 503 as the answer to
// every call.
//
// It logs JSON lines on standard output. SIGINT and SIGTERM end it: calls in
// flight get 25 s to finish. The exit status is 0 only then.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Exit statuses, after sysexits.h where that has one.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 64
	exitSettings = 78
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command does what the arguments ask for and returns the exit status. The
// Functions host gives none.
func command(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	switch {
	case len(arguments) == 0:
		variables := environment()
		tuneMemory(variables)
		return run(ctx, variables, stdout, stderr)
	case len(arguments) == 1 && arguments[0] == "version":
		return printVersion(stdout, stderr)
	case arguments[0] == "check":
		return runCheck(ctx, arguments[1:], environment(), stdout, stderr)
	default:
		fmt.Fprintf(stderr, "handler: found argument %q; expected none, or: handler check, handler version. Settings are environment variables.\n", strings.Join(arguments, " "))
		return exitUsage
	}
}

// gcPercent trades memory for processor time: the live heap is about 1 MiB, so
// that the collector's default would run it every 4 MiB of garbage.
const gcPercent = 400

// memoryLimit suits the smallest instance, of 512 MB, most of which is the
// Functions host's and the system's. The collector runs more often near it, and
// the proxy bounds by it what it holds. The templates set one by the size.
const memoryLimit = 192 << 20

// tuneMemory sets the collector, unless the operator did.
func tuneMemory(environment map[string]string) {
	if environment["GOGC"] == "" {
		debug.SetGCPercent(gcPercent)
	}
	if environment["GOMEMLIMIT"] == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// run is the process from settings to exit status.
func run(ctx context.Context, environment map[string]string, stdout, stderr io.Writer) int {
	s, found := parseSettings(environment)
	logger := newLogger(stdout, s.LogLevel.Level)
	s.openVaultOr(&found, logger)
	if len(found.problems) > 0 && !found.azure {
		found.print(stderr)
		return exitSettings
	}
	// net/http's transport knows no other log than the process's.
	log.SetFlags(0)
	log.SetOutput(newScrubbed(logger))
	// First of all: the Functions host waits until somebody listens.
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(s.port))))
	if err != nil {
		logger.Error("cannot listen; is another process on the port?", zap.Uint16("port", s.port), zap.Error(err))
		return exitFailure
	}
	handler, secrets := assemble(s, found, logger)
	return serve(ctx, listener, newServer(handler, time.Duration(s.BackendTimeout), int(s.MaxHeader)), secrets, logger)
}

// print writes the warnings and problems, a line each, and a last line that
// names every setting concerned.
func (r report) print(w io.Writer) {
	names := make([]string, len(r.problems))
	for _, warning := range r.warnings {
		_, _ = fmt.Fprintln(w, "warning:", warning) // nowhere else to complain
	}
	for i, problem := range r.problems {
		names[i] = problem.setting
		_, _ = fmt.Fprintln(w, problem)
	}
	_, _ = fmt.Fprintln(w, "handler: bad settings:", strings.Join(names, ", "))
}
