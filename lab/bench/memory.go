package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Start is how long a program took from the exec to its first answer.
type Start struct {
	// Subject names the program.
	Subject string
	// Milliseconds are the single times.
	Milliseconds []float64
	// Idle is the resident memory of each after the start, in MiB.
	Idle []float64
}

// measureStarts interleaves starts of the proxy and of the plain one.
func (w *world) measureStarts(ctx context.Context) ([]Start, error) {
	both := subjects()[:2]
	starts := make([]Start, len(both))
	for range w.options.Starts {
		for i, s := range both {
			starts[i].Subject = s.name
			if err := w.measureStart(ctx, s, &starts[i]); err != nil {
				return nil, fmt.Errorf("start %q: %w", s.name, err)
			}
		}
	}
	return starts, nil
}

func (w *world) measureStart(ctx context.Context, s subject, into *Start) (err error) {
	p, err := w.startProxy(ctx, s, offerHTTP2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	time.Sleep(settle)
	memory, err := memoryOf(p.PID)
	if err != nil {
		return err
	}
	into.Milliseconds = append(into.Milliseconds, milliseconds(p.toFirst))
	into.Idle = append(into.Idle, mebibytes(memory.resident))
	return nil
}

// Stream is one large answer through a fresh process of the proxy.
type Stream struct {
	// Offer is what the backend's TLS offers.
	Offer string
	// Framing is "Content-Length" or "unknown length".
	Framing string
	// Before and After are the peak of the resident memory in MiB, after a
	// call of each kind and after the large one.
	Before, After float64
	// PerSecond is the rate in MiB/s.
	PerSecond float64
}

// Raise is by how much the answer raised the peak, in MiB.
func (s Stream) Raise() float64 { return s.After - s.Before }

func (w *world) measureStreams(ctx context.Context, offer string) ([]Stream, error) {
	var streams []Stream
	for _, each := range []struct{ framing, target string }{
		{"Content-Length", knownPath}, {"unknown length", unknownPath},
	} {
		stream, err := w.measureStream(ctx, offer, each.target)
		if err != nil {
			return nil, fmt.Errorf("stream with %s from a backend that offers %s: %w", each.framing, offer, err)
		}
		stream.Offer, stream.Framing = offer, each.framing
		streams = append(streams, stream)
	}
	return streams, nil
}

func (w *world) measureStream(ctx context.Context, offer, target string) (s Stream, err error) {
	p, err := w.startProxy(ctx, subjects()[0], offer)
	if err != nil {
		return Stream{}, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	ordinary, err := newLoad(ctx, p.address, w.deck, 1)
	if err != nil {
		return Stream{}, err
	}
	defer ordinary.close()
	if _, err := ordinary.run(ctx, len(w.deck), w.options.Limit); err != nil {
		return Stream{}, err
	}
	before, err := memoryOf(p.PID)
	if err != nil {
		return Stream{}, err
	}
	start := time.Now()
	n, err := fetch(ctx, p.address, newGet(target, w.entraToken), io.Discard)
	if err != nil {
		return Stream{}, err
	}
	if n != streamSize {
		return Stream{}, fmt.Errorf("%w: %d bytes instead of %d", errWrong, n, streamSize)
	}
	took := time.Since(start)
	after, err := memoryOf(p.PID)
	return Stream{
		Before: mebibytes(before.peak), After: mebibytes(after.peak),
		PerSecond: mebibytes(n) / took.Seconds(),
	}, err
}
