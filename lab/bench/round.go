package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// turns is into how many pieces the calls of a round are cut. The subjects
// take turns so often that what else the machine does, which comes and goes in
// seconds, hits all of them alike.
const turns = 20

// settle is how long a fresh process is left alone before its idle memory is
// read: it still reads its secrets after it listens.
const settle = 100 * time.Millisecond

// runner is one subject in one round.
type runner struct {
	subject  subject
	process  *proxyProcess
	load     *load
	protocol string
	idle     memory
	before   time.Duration // processor time when the calls began

	took      time.Duration
	latencies []time.Duration
}

// measureLoads makes all rounds against one backend.
func (w *world) measureLoads(ctx context.Context, offer string, subjects []subject) (Scenario, error) {
	scenario := Scenario{Offer: offer}
	for _, s := range subjects {
		scenario.Subjects = append(scenario.Subjects, Measured{Subject: s.name})
	}
	for round := range w.options.Rounds {
		if err := w.measureRound(ctx, &scenario, subjects, round); err != nil {
			return Scenario{}, err
		}
	}
	return scenario, nil
}

// measureRound gives every subject a fresh process, lets them take turns with
// their calls, and adds a sample to each.
func (w *world) measureRound(ctx context.Context, scenario *Scenario, subjects []subject, round int) (err error) {
	var runners []*runner
	defer func() {
		for _, r := range runners {
			err = errors.Join(err, r.close())
		}
	}()
	for _, s := range subjects {
		r, err := w.startRunner(ctx, s, scenario.Offer)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		runners = append(runners, r)
	}
	for _, r := range runners {
		if err := r.warmUp(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", r.subject.name, err)
		}
	}
	for turn := range turns {
		for i := range runners {
			r := runners[(round+turn+i)%len(runners)]
			if err := r.turn(ctx, w.options); err != nil {
				return fmt.Errorf("%s: %w", r.subject.name, err)
			}
		}
	}
	for i, r := range runners {
		sample, err := r.sample()
		if err != nil {
			return fmt.Errorf("%s: %w", r.subject.name, err)
		}
		measured := &scenario.Subjects[i]
		measured.Protocol = r.protocol
		measured.Samples = append(measured.Samples, sample)
	}
	return nil
}

func (w *world) startRunner(ctx context.Context, s subject, offer string) (*runner, error) {
	p, err := w.startProxy(ctx, s, offer)
	if err != nil {
		return nil, err
	}
	r := &runner{subject: s, process: p}
	time.Sleep(settle)
	if r.idle, err = memoryOf(p.PID); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return r, nil
}

// warmUp opens the connections, so that handshakes are not counted.
func (r *runner) warmUp(ctx context.Context, w *world) error {
	var err error
	if r.protocol, err = w.protocol(ctx, r.process.address); err != nil {
		return err
	}
	if r.load, err = newLoad(ctx, r.process.address, r.subject.deck(w.entraToken), w.options.Connections); err != nil {
		return err
	}
	if _, err := r.load.run(ctx, max(w.options.Calls/10, w.options.Connections), w.options.Limit/4); err != nil {
		return err
	}
	r.before, err = cpuOf(r.process.PID)
	return err
}

func (r *runner) turn(ctx context.Context, options Options) error {
	done, err := r.load.run(ctx, (options.Calls+turns-1)/turns, options.Limit/turns)
	r.took += done.took
	r.latencies = append(r.latencies, done.latencies...)
	return err
}

// sample sums the turns up. In between them the process had nothing to do.
func (r *runner) sample() (Sample, error) {
	after, err := cpuOf(r.process.PID)
	if err != nil {
		return Sample{}, err
	}
	memory, err := memoryOf(r.process.PID)
	calls := len(r.latencies)
	if calls == 0 {
		return Sample{}, errors.New("no call was made in the time given")
	}
	slices.Sort(r.latencies)
	return Sample{
		Calls:     calls,
		PerSecond: float64(calls) / r.took.Seconds(),
		CPU:       float64((after - r.before).Microseconds()) / float64(calls),
		P50:       milliseconds(percentile(r.latencies, 50)),
		P99:       milliseconds(percentile(r.latencies, 99)),
		Idle:      mebibytes(r.idle.resident),
		Peak:      mebibytes(memory.peak),
	}, err
}

func (r *runner) close() error {
	if r.load != nil {
		r.load.close()
	}
	if err := r.process.end(); err != nil {
		return fmt.Errorf("%s: %w", r.subject.name, err)
	}
	return nil
}
