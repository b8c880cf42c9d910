// Package bench measures the proxy's binary next to the plainest
// httputil.ReverseProxy that does the same check and swap: processor time per
// request, rate, latency, memory, and the time to the first answer. Everything
// runs in processes of its own over loopback, against a TLS backend behind a
// private authority.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options describe one run. The zero values of the numbers mean their defaults.
type Options struct {
	// Handler is the path of the proxy's binary. Required.
	Handler string
	// Self is the path of a program that takes the subcommands [PlainCommand]
	// and [BackendCommand]. Required.
	Self string
	// Dir is a directory that nobody else can read, for tokens and the
	// authority's certificate. Required.
	Dir string
	// Start starts a process. Required.
	Start func(context.Context, Program) (*Process, error)

	// RulesOnly leaves out all but what the rules cost.
	RulesOnly bool
	// Calls is how many calls one subject gets in one round; 0 means 8000.
	Calls int
	// Connections is how many keep-alive connections make them, one call at a
	// time each; 0 means 64: an instance that is busy, but below the 100 calls
	// at once that it is to be deployed with.
	Connections int
	// Rounds is how often each subject is measured; 0 means 5.
	Rounds int
	// Limit is the longest that the calls of one subject may take in one
	// round; those that do not fit are not made. 0 means 3 s.
	Limit time.Duration
	// Starts is how often the time to the first answer is taken; 0 means 15.
	Starts int
}

func (o *Options) complete() error {
	if o.Handler == "" || o.Self == "" || o.Dir == "" || o.Start == nil {
		return errors.New("bench: a required option is missing")
	}
	for _, each := range []struct {
		value   *int
		initial int
	}{{&o.Calls, 8000}, {&o.Connections, 64}, {&o.Rounds, 5}, {&o.Starts, 15}} {
		if *each.value == 0 {
			*each.value = each.initial
		}
		if *each.value < 0 {
			return errors.New("bench: a number is negative")
		}
	}
	if o.Limit <= 0 {
		o.Limit = 3 * time.Second
	}
	return nil
}

// Result is everything that one run measured.
type Result struct {
	// Calls, Connections and Rounds are those of the options.
	Calls, Connections, Rounds int
	// Scenarios are the protocols that the backend offers.
	Scenarios []Scenario
	// Rules are the same protocols, for PATCHes with the rules and without.
	Rules []Scenario
	// Starts are the times to the first answer, one entry per program.
	Starts []Start
	// Streams are the large answers through the proxy.
	Streams []Stream
}

// Scenario is the measurements against one kind of backend.
type Scenario struct {
	// Offer is what the backend's TLS offers: "HTTP/2" or "HTTP/1.1".
	Offer string
	// Subjects are what was measured. The first is compared with the others.
	Subjects []Measured
}

// Measured is one subject's measurements.
type Measured struct {
	// Subject names it.
	Subject string
	// Protocol is what it spoke to the backend.
	Protocol string
	// Samples are in the order of the rounds.
	Samples []Sample
}

// Sample is one round's measurement of a fresh process.
type Sample struct {
	// Calls is how many were made and answered as they should be.
	Calls int
	// PerSecond is their rate.
	PerSecond float64
	// CPU is the processor time of the process per call, user and system, in
	// microseconds.
	CPU float64
	// P50 and P99 are percentiles of the latency, in milliseconds.
	P50, P99 float64
	// Idle and Peak are resident memory in MiB: before the first call, and the
	// most there ever was.
	Idle, Peak float64
}

// subject is a proxy to measure.
type subject struct {
	name        string
	path        func(Options) string
	args        []string
	environment []string
	deck        func(entraToken string) []call
}

// gcSetting is what the proxy's binary sets by itself.
const gcSetting = "GOGC=400"

// The subjects.
const (
	ours         = "proxy"
	plainSameGC  = "plain, " + gcSetting
	plainDefault = "plain, Go's defaults"
)

func subjects() []subject {
	self := func(o Options) string { return o.Self }
	return []subject{
		{ours, handler, nil, nil, newDeck},
		{plainSameGC, self, []string{PlainCommand}, []string{gcSetting}, newDeck},
		{plainDefault, self, []string{PlainCommand}, nil, newDeck},
	}
}

func handler(o Options) string { return o.Handler }

// ruleSubjects are the proxy with all rules and with none. Each gets the same
// PATCH, at a resource of its own: the backend answers there only if the body
// came as it should.
func ruleSubjects() []subject {
	return []subject{
		{"NORMALIZE=all", handler, nil, []string{"NORMALIZE=all", "PUBLIC_URL=" + publicURL}, newNormalizedDeck},
		{"NORMALIZE=none", handler, nil, []string{"NORMALIZE=none"}, newUntouchedDeck},
	}
}

// Run makes all measurements, one after the other. It fails when an answer is
// not what it should be, or a process ends by itself; never because of a
// number measured.
func Run(ctx context.Context, options Options) (Result, error) {
	if err := options.complete(); err != nil {
		return Result{}, err
	}
	w, err := newWorld(options)
	if err != nil {
		return Result{}, err
	}
	defer w.close()
	result := Result{Calls: options.Calls, Connections: options.Connections, Rounds: options.Rounds}
	for _, offer := range offers {
		if err := w.startBackend(ctx, offer); err != nil {
			return Result{}, err
		}
	}
	if !options.RulesOnly {
		if err := w.measureProxy(ctx, &result); err != nil {
			return Result{}, err
		}
	}
	for _, offer := range offers {
		scenario, err := w.measureLoads(ctx, offer, ruleSubjects())
		if err != nil {
			return Result{}, fmt.Errorf("measure the rules with a backend that offers %s: %w", offer, err)
		}
		result.Rules = append(result.Rules, scenario)
	}
	return result, nil
}

// measureProxy measures the proxy next to the plain one.
func (w *world) measureProxy(ctx context.Context, result *Result) (err error) {
	if result.Starts, err = w.measureStarts(ctx); err != nil {
		return err
	}
	for _, offer := range offers {
		streams, err := w.measureStreams(ctx, offer)
		if err != nil {
			return err
		}
		result.Streams = append(result.Streams, streams...)
	}
	for _, offer := range offers {
		scenario, err := w.measureLoads(ctx, offer, subjects())
		if err != nil {
			return fmt.Errorf("measure with a backend that offers %s: %w", offer, err)
		}
		result.Scenarios = append(result.Scenarios, scenario)
	}
	return nil
}
