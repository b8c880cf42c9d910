package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
)

const (
	headerLimit = 5 * time.Second
	idleLimit   = 120 * time.Second
	drainLimit  = 25 * time.Second
	// maxHeader makes 16 KiB with the 4 KiB that net/http adds.
	maxHeader = 12 << 10
	// writeSlack is what a client may take to read an answer after the call's
	// deadline.
	writeSlack = 10 * time.Second
)

// serve listens first, because the Functions host waits for that, and only
// then reads secrets. It returns the exit status.
func serve(ctx context.Context, s settings, found report, logger *zap.Logger) int {
	// net/http's transport knows no other log than the process's.
	log.SetFlags(0)
	log.SetOutput(scrubbed{logger})
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(s.port))))
	if err != nil {
		logger.Error("cannot listen on 127.0.0.1; is another process on the port?", zap.Uint16("port", s.port))
		return exitFailure
	}
	handler, secrets := assemble(s, found, logger)
	server := &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            headerLimit,
		WriteTimeout:                 time.Duration(s.BackendTimeout) + writeSlack,
		IdleTimeout:                  idleLimit,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     log.Default(),
		DisableGeneralOptionsHandler: true,
	}
	var running sync.WaitGroup
	failed := make(chan error, 1)
	running.Go(func() { failed <- server.Serve(listener) }) // ends with Shutdown or Close below
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
	logger.Info("stopping: calls in flight may finish", zap.Duration("limit", drainLimit))
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

// assemble builds what answers: the proxy, or with bad settings, which only in
// Azure come this far, its stand-in. It also returns the first reads of the
// secrets.
func assemble(s settings, found report, logger *zap.Logger) (http.Handler, []func(context.Context)) {
	for _, warning := range found.warnings {
		logger.Warn(warning)
	}
	if len(found.problems) == 0 {
		handler, secrets, err := newProxy(s, logger)
		if err == nil {
			return handler, secrets
		}
		// The SDK refuses what it finds in Azure's own variables.
		logger.Error("the proxy cannot start", zap.Error(err))
	}
	for _, problem := range found.problems {
		logger.Error("bad setting", zap.String("setting", problem.setting),
			zap.String("found", problem.found), zap.String("expected", problem.expected))
	}
	return proxy.Misconfigured(logger), nil
}
