// Package host stands in for the Azure Functions host in front of a custom
// handler: it starts a packaged app folder as the host does, keeps the process
// alive as the host does, and forwards each call as the host's proxying mode
// does (host.json: customHandler.enableProxyingHttpRequest), which is the
// forwarder of YARP 2.0.1 behind Kestrel.
//
// The table in changes.go lists what happens to a call's path and header. The
// sources are named there and beside the code. "YARP" is
// microsoft/reverse-proxy at v2.0.1, the version that the host's
// WebJobs.Script.Grpc.csproj names. "host" is Azure/azure-functions-host at
// 89dc438 (4.1037.0). That one does not proxy to custom handlers yet: what its
// pull request 11035 brought is of src/WebJobs.Script, namely
// Http/DefaultHttpProxyService.cs at 1057af8, Http/RetryProxyHandler.cs at
// 271785b, and Workers/Http/DefaultHttpWorkerService.cs after the merge.
//
// What differs from the real host, because Go's net/http is the engine:
//   - Names of header fields arrive in Go's canonical case; the order is lost.
//   - A path with a broken escape (%zz) is refused with 400; Kestrel lets it
//     pass and YARP escapes its percent sign.
//   - The query passes byte for byte. .NET's Uri may still change escapes of
//     unreserved characters in it.
//   - Informational answers (1xx) pass to the client; .NET swallows them.
//   - Fields that the handler's Connection field names are dropped from the
//     answer; YARP drops only those of its list.
//   - An answer can overtake the rest of a chunked request body; .NET reads it
//     once the body is sent.
//   - A 304 loses its Content-Type and Content-Length, and a call other than
//     POST, PUT and PATCH a Content-Length of 0.
//   - The reason phrase of an answer is lost.
//   - A field value outside ASCII passes; .NET refuses to send it, and the call
//     fails.
//
// What is left out: function keys (anything but authLevel anonymous is refused),
// CORS, the throttle, the routes of customHandler.http, upgraded connections,
// the functions' timeout, and Azure's front end with its cut after 230 s.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Options say what to start. Only App is required.
type Options struct {
	// App is the folder with host.json, the functions' folders and the
	// executable: what a deployment package holds.
	App string
	// Settings are the app settings, NAME=value each. The handler gets them,
	// what the host sets, and little of this process's own environment.
	Settings []string
	// Hostname makes the app believe that it runs in Azure, on Flex
	// Consumption, under this public name, such as
	// contoso-scim.azurewebsites.net. Empty stands for Core Tools.
	Hostname string
	// Listener is where clients come in. The host closes it in the end, also if
	// Start fails; nil stands for a free port of 127.0.0.1.
	Listener net.Listener
	// Stdout and Stderr get what the handler writes there, in whole lines, one
	// Write at a time for both. Nil discards. A Write that does not return
	// holds up the handler, its restart and Close.
	Stdout, Stderr io.Writer
	// Around, if not nil, wraps the forwarding of each invocation. It sees the
	// call as the client sent it, and the answer as the client gets it;
	// [InvocationOf] gives the invocation. Calls that are no invocation (no
	// route, app stopped) do not come by.
	Around func(http.Handler) http.Handler
	// NoTraceparent leaves calls without a traceparent field as they are.
	// UNVERIFIED either way: that .NET adds one is derived from its HTTP
	// client's behaviour, not from an observation of the host.
	NoTraceparent bool
	// FailureWindow clears the count of failures when it passes between one and
	// the next; zero means the host's 30 minutes. A shorter one plays crashes
	// that lie far apart.
	FailureWindow time.Duration
}

var (
	// ErrApp is the category of an app folder that the host cannot run, or that
	// this emulator does not play.
	ErrApp = errors.New("host: unusable app")
	// ErrStopped is the category of an app that was given up.
	ErrStopped = errors.New("host: the app is stopped")
)

// Host is a started app. All methods may be called at any time, by several
// goroutines.
type Host struct {
	app         app
	environment []string // the handler's
	destination string   // of the handler: 127.0.0.1:port
	options     Options

	front    *http.Server
	address  string // of the front
	pings    *http.Client
	outgoing *http.Transport
	forward  http.Handler // Around, and the proxy within

	end     context.CancelFunc
	running sync.WaitGroup
	stopped chan struct{} // closed when the handler is down for good

	console sync.Mutex // held while a line is written

	mu       sync.Mutex
	current  *process
	starts   int
	ready    chan struct{} // closed while the handler takes calls
	err      error         // why the app is stopped
	closeErr error
}

// Start starts the app and returns once its handler answers GET / with
// anything. The error is ErrApp for a folder that cannot be run, and ErrStopped
// if the handler failed three times before it answered, by its end or by
// staying silent for host.json's initializationTimeout (30 s unless set). The
// context limits the start only: it is Close that ends what Start began.
func Start(ctx context.Context, options Options) (h *Host, err error) {
	listener := options.Listener
	if listener == nil {
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("host: listen: %w", err)
		}
	}
	defer func() {
		if err != nil {
			listener.Close()
		}
	}()
	app, err := readApp(options.App)
	if err != nil {
		return nil, err
	}
	port, err := choosePort(ctx, app.port)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	h = &Host{
		app: app, options: options, end: end, address: listener.Addr().String(),
		destination: hostPort(port),
		environment: environment(app, options, port, listener.Addr().String()),
		stopped:     make(chan struct{}), ready: make(chan struct{}),
		pings: &http.Client{Transport: &http.Transport{}},
	}
	h.prepare()
	h.running.Go(func() { h.supervise(life) }) // ends with end, or with the app
	select {
	case <-h.gate():
	case <-h.stopped:
		return nil, errors.Join(h.Err(), h.Close())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("host: start: %w", ctx.Err()), h.Close())
	}
	h.running.Go(func() { _ = h.front.Serve(listener) }) // ends with Close, which is the error it returns
	return h, nil
}

// prepare makes the HTTP half.
func (h *Host) prepare() {
	h.outgoing = newTransport()
	h.forward = newProxy(h, h.outgoing)
	if h.options.Around != nil {
		h.forward = h.options.Around(h.forward)
	}
	h.front = &http.Server{
		Handler:                      http.HandlerFunc(h.serve),
		ReadHeaderTimeout:            30 * time.Second, // Kestrel's RequestHeadersTimeout
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0),
	}
}

// choosePort returns the fixed port if there is one, after a look at whether it
// is free as newer hosts do (HttpWorkerOptions.cs: "Unable to bind to port"),
// and a free one otherwise. The handler opens it a moment later. Until then it
// must not go to anybody else, so it is none of those that systems hand out by
// themselves, which begin at 32768 (Linux) or 49152 (RFC 6335 section 6).
func choosePort(ctx context.Context, fixed int) (port int, err error) {
	const tries, first, number = 20, 20_000, 12_000
	for range tries {
		if port = fixed; port == 0 {
			port = first + rand.IntN(number)
		}
		var listener net.Listener
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", hostPort(port)); err == nil {
			return port, listener.Close()
		}
		if fixed != 0 {
			break
		}
	}
	return 0, fmt.Errorf("host: choose a port for the handler: %w", err)
}

// hostPort is an address of the handler: the loopback, as the host writes it
// (host, WorkerConstants.cs:8).
func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// URL returns the origin under which clients reach the app, without a slash at
// its end.
func (h *Host) URL() string { return "http://" + h.address }

// Pid returns the id of the handler's process, zero before there is one. The
// process may have ended.
func (h *Host) Pid() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return 0
	}
	return h.current.command.Process.Pid
}

// Starts returns how often the handler was started.
func (h *Host) Starts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.starts
}

// Kill ends the handler by SIGKILL, which plays a crash: the host sees exit
// status 137, counts a failure and restarts it: the third Kill within half an
// hour of the one before stops the app. It returns when the host has noticed, so
// that calls wait, not when the next process is ready. The error tells of a
// handler that does not run.
func (h *Host) Kill() error {
	h.mu.Lock()
	p := h.current
	h.mu.Unlock()
	if p == nil || p.gone() {
		return errGone
	}
	if err := p.kill(); err != nil {
		return err
	}
	if p.code == exitClean {
		return errGone // by itself, and nobody takes notice
	}
	<-p.disposed // ends with the process, in supervise
	return nil
}

var errGone = errors.New("host: kill: the handler does not run")

// Ping sends what the host's health monitor does, GET / without an invocation
// id, and returns the status of the answer. The real host only measures the
// time; it draws no conclusion from status or failure.
func (h *Host) Ping(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.destination+"/", nil)
	if err != nil {
		return 0, fmt.Errorf("host: ping: %w", err)
	}
	request.Header.Set("User-Agent", "") // .NET sends none
	response, err := h.pings.Do(request)
	if err != nil {
		return 0, fmt.Errorf("host: ping: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, nil
}

// Stopped returns a channel that is closed once the app is given up or closed.
// From then on each call is answered 503.
func (h *Host) Stopped() <-chan struct{} { return h.stopped }

// Err tells why the app was given up, an ErrStopped that holds the last three
// lines of the handler's standard error. It is nil while the app runs, and after
// Close.
func (h *Host) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Close ends the app as the disposal of the real host does: SIGKILL without a
// SIGTERM before (host, WorkerProcess.cs:254-283). Calls under way break. The
// error tells of a process that outlived it. It may be called again.
func (h *Host) Close() error {
	h.end()
	h.front.Close()
	h.running.Wait()
	h.outgoing.CloseIdleConnections()
	h.pings.CloseIdleConnections()
	return h.closeErr
}
