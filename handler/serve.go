package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/check"
)

const (
	headerLimit = 5 * time.Second
	idleLimit   = 120 * time.Second
	drainLimit  = 25 * time.Second
	// headerSlop is what net/http adds to its limit of a header, in bytes.
	headerSlop = 4 << 10
	// writeSlack is what a client may take to read an answer after the call's
	// deadline.
	writeSlack = 10 * time.Second
)

// newServer makes the server, for calls that take up to timeout, and headers of up
// to maxHeader bytes. How long a body may take is the handler's business: it gives
// a call that it refuses less.
func newServer(handler http.Handler, timeout time.Duration, maxHeader int) *http.Server {
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            headerLimit,
		WriteTimeout:                 max(timeout, check.Limit) + writeSlack,
		IdleTimeout:                  idleLimit,
		MaxHeaderBytes:               maxHeader - headerSlop,
		ErrorLog:                     log.Default(),
		DisableGeneralOptionsHandler: true,
	}
}

// serve serves until ctx ends, and then lets calls in flight finish. It reads
// the secrets meanwhile. It returns the exit status.
func serve(ctx context.Context, listener net.Listener, server *http.Server, secrets []func(context.Context), logger *zap.Logger) int {
	var running sync.WaitGroup
	failed := make(chan error, 1)
	running.Go(func() { failed <- server.Serve(patientListener{listener}) }) // ends with Shutdown or Close below
	for _, read := range secrets {
		running.Go(func() { read(ctx) }) // ends with ctx, or when the read is done
	}
	logger.Info("listening", zap.Stringer("address", listener.Addr()), zap.String("version", version))

	select {
	case err := <-failed:
		logger.Error("the server stopped", zap.Error(err))
		return exitFailure
	case <-ctx.Done():
	}
	logger.Info("stopping: calls in flight may finish", zap.String("limit", drainLimit.String()))
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close() // the calls cut off here are what the line tells
		logger.Error("calls in flight were cut off", zap.Error(err))
		return exitFailure
	}
	running.Wait()
	return exitOK
}

// assemble builds what answers: the proxy, or its stand-in with bad settings,
// which only in Azure come this far. It also returns the first reads of the
// secrets.
func assemble(s settings, found report, logger *zap.Logger) (http.Handler, []func(context.Context)) {
	for _, warning := range found.warnings {
		logger.Warn(warning)
	}
	for _, problem := range found.problems {
		logger.Error("bad setting", zap.String("setting", problem.setting),
			zap.String("found", problem.found), zap.String("expected", problem.expected))
	}
	if len(found.problems) > 0 {
		return proxy.Misconfigured(logger), nil
	}
	logger.Info("settings in effect", s.summary()...)
	return newProxy(s, logger)
}
