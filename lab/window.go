package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"example.com/entra-scim-proxy/lab/host"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/window"
)

// windowPort is where the window is if nobody else is there.
const windowPort = 7072

// fromEntra records what Entra sends, under the invocation's identity.
func fromEntra(recorder *window.Recorder) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return recorder.FromEntra(next, func(r *http.Request) (id, traceparent string) {
			invocation, _ := host.InvocationOf(r.Context())
			return invocation.ID, invocation.Traceparent
		})
	}
}

// page is the window while it is served.
type page struct {
	url     string
	tenant  *tenant
	server  *http.Server
	leave   context.CancelFunc // ends streams and actions
	serving sync.WaitGroup
}

// openWindow serves the window, on this machine only, until it is closed.
func openWindow(s *stand.Stand, system profile.Profile, recorder *window.Recorder) (*page, error) {
	tenant, err := newTenant(s, system, recorder)
	if err != nil {
		return nil, err
	}
	ctx, leave := context.WithCancel(context.Background())
	listener, err := listenNear(ctx, windowPort)
	if err != nil {
		leave()
		tenant.close()
		return nil, err
	}
	p := &page{
		url: "http://" + listener.Addr().String() + "/", tenant: tenant, leave: leave,
		server: &http.Server{
			Handler: window.New(recorder, window.Options{
				Facts: []window.Fact{
					{Label: "Tenant URL", Value: s.TenantURL(system.Entra.Flag)},
					{Label: "NORMALIZE", Value: s.Setting("NORMALIZE")},
					{Label: "Backend", Value: system.Name},
				},
				Actions: tenant.actions(),
			}),
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		},
	}
	p.serving.Go(func() { _ = p.server.Serve(listener) }) // ends with close, which is the error it returns
	return p, nil
}

func (p *page) close() {
	p.leave()
	p.server.Close()
	p.serving.Wait()
	p.tenant.close()
}

// listenNear listens on the port of 127.0.0.1, or on any if it is taken.
func listenNear(ctx context.Context, port int) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err == nil {
		return listener, nil
	}
	listener, again := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if again != nil {
		return nil, fmt.Errorf("open the window: %w", errors.Join(err, again))
	}
	return listener, nil
}
