package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// pollInterval is the time between two looks at whether the handler is ready
	// (host, WorkerConstants.cs:11).
	pollInterval = 25 * time.Millisecond
	// maxFailures stop the app (host, HttpFunctionInvocationDispatcher.cs:55,
	// 145-157).
	maxFailures = 3
	// failureWindow clears the count when it passes between one failure and the
	// next (host, HttpFunctionInvocationDispatcher.cs:159-173).
	failureWindow = 30 * time.Minute

	// exitClean is an end that the host takes no notice of: nothing restarts, and
	// calls fail (host, WorkerProcess.cs:168-172; issue #6301).
	exitClean = 0
	// exitRestart asks for a restart, which does not count
	// (host, WorkerProcess.cs:173-176).
	exitRestart = 200
)

// errRestart is the end of a process that asked for its restart.
var errRestart = errors.New("the handler wants to be restarted")

// failures counts as the host does: not those within a window, but a row of
// them with no longer gap.
type failures struct {
	window time.Duration
	count  int
	last   time.Time
}

// add counts one and reports whether the app is to be stopped.
func (f *failures) add(now time.Time) bool {
	if now.Sub(f.last) > f.window {
		f.count = 0
	}
	f.count++
	f.last = now
	return f.count >= maxFailures
}

// supervise runs the handler until the context ends or the app is given up. A
// restart follows at once, on the same port.
func (h *Host) supervise(ctx context.Context) {
	defer close(h.stopped)
	failed := failures{window: cmp.Or(h.options.FailureWindow, failureWindow)}
	for {
		p, err := h.launch()
		if err != nil {
			// The real host does not try again: its calls wait, and then it stops
			// (host, HttpWorkerChannel.cs:78-83; WorkerFunctionInvoker.cs:127-136).
			h.stop(fmt.Errorf("%w: %w", ErrStopped, err))
			return
		}
		err = h.attend(ctx, p)
		h.shut()
		if killErr := p.kill(); killErr != nil {
			h.closeErr = errors.Join(h.closeErr, killErr)
		}
		close(p.disposed)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRestart):
		case failed.add(time.Now()):
			h.stop(fmt.Errorf("%w after %d failures: %w", ErrStopped, maxFailures, err))
			return
		}
	}
}

// attend sees a process from its start to its end, and says what the end was.
func (h *Host) attend(ctx context.Context, p *process) error {
	if err := h.awaitReady(ctx, p); err != nil {
		return err
	}
	h.open()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ended:
	}
	if p.code == exitClean {
		<-ctx.Done()
		return ctx.Err()
	}
	return p.failure()
}

// awaitReady polls until the handler answers. A refused connection is no answer;
// anything else is one, even if it is no HTTP (host at 89dc438,
// DefaultHttpWorkerService.cs:263-289). It follows redirects, as the host's client does. A handler
// that takes the connection and stays silent is out of time with Flex
// Consumption's own limit of 30 s, issue #10482; the host alone would wait
// longer.
func (h *Host) awaitReady(ctx context.Context, p *process) error {
	limited, cancel := context.WithTimeout(ctx, h.app.limit)
	defer cancel()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	ended := p.ended
	for {
		_, err := h.Ping(limited)
		if err == nil || limited.Err() == nil && !isRefused(err) {
			return nil
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the handler does not listen on %s after %s%s", h.destination, h.app.limit, p.lastLines())
		case <-ended:
			if p.code != exitClean {
				return p.failure()
			}
			ended = nil // nobody notices; the limit decides
		case <-poll.C:
		}
	}
}

// isRefused reports whether there was no connection to speak over.
func isRefused(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial"
}

// failure is the end of a process that has ended, as the host tells it.
func (p *process) failure() error {
	if p.code == exitRestart {
		return errRestart
	}
	return fmt.Errorf("the handler exited with code %d%s", p.code, p.lastLines())
}

// lastLines is what a message about the process ends with.
func (p *process) lastLines() string {
	if lines := p.stderr.last(); lines != "" {
		return ": " + lines
	}
	return ""
}

// launch starts the next process.
func (h *Host) launch() (*process, error) {
	p, err := startProcess(h)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = p
	h.starts++
	return p, nil
}

// gate returns the channel that is closed while the handler takes calls.
func (h *Host) gate() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready
}

// open lets calls through.
func (h *Host) open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.ready)
}

// shut makes calls wait for the next process (host, WorkerFunctionInvoker.cs:60-64,
// 119-138). A gate that was never
// opened stays: somebody may wait at it.
func (h *Host) shut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.ready:
		h.ready = make(chan struct{})
	default:
	}
}

func (h *Host) stop(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}
