package window

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// span is how many seconds the charts show.
	span = 60
	// samples is how many durations of each second the percentiles are of. Up
	// to so many calls a second they are exact.
	samples = 64
)

// counts are the figures of all exchanges, in a fixed amount of memory.
type counts struct {
	total   [len(outcomes)]uint64
	seconds [span]second // by the Unix time modulo span
}

// second is what ended within one second.
type second struct {
	unix      int64
	by        [len(outcomes)]uint32
	seen      int
	durations [samples]float32 // milliseconds
}

func (c *counts) add(end time.Time, outcome string, took time.Duration) {
	which := slices.Index(outcomes[:], outcome)
	c.total[which]++
	s := &c.seconds[end.Unix()%span]
	if s.unix != end.Unix() {
		*s = second{unix: end.Unix()}
	}
	s.by[which]++
	// Vitter's algorithm R: each duration is as likely to be kept as any other.
	if i := s.seen; i < samples {
		s.durations[i] = float32(took.Seconds() * 1000)
	} else if i = rand.IntN(i + 1); i < samples {
		s.durations[i] = float32(took.Seconds() * 1000)
	}
	s.seen++
}

func (c *counts) totals() map[string]uint64 {
	totals := make(map[string]uint64, len(outcomes))
	for i, outcome := range outcomes {
		totals[outcome] = c.total[i]
	}
	return totals
}

// pulse is what the charts are drawn from.
type pulse struct {
	Now      int64             `json:"now"` // Unix time in seconds
	Outcomes []string          `json:"outcomes"`
	Totals   map[string]uint64 `json:"totals"`
	Seconds  []beat            `json:"seconds"` // oldest first, without those in which nothing ended
	P50      float32           `json:"p50"`
	P95      float32           `json:"p95"` // both over all seconds, in milliseconds
}

// beat is one second of a pulse.
type beat struct {
	Unix int64    `json:"t"`
	By   []uint32 `json:"by"` // in the order of the outcomes
	P50  float32  `json:"p50"`
	P95  float32  `json:"p95"` // both in milliseconds
}

func (c *counts) pulse(now time.Time) pulse {
	var all []float32
	p := pulse{Now: now.Unix(), Outcomes: outcomes[:], Totals: c.totals(), Seconds: []beat{}}
	for unix := now.Unix() - span + 1; unix <= now.Unix(); unix++ {
		s := c.seconds[unix%span]
		if s.unix != unix || s.seen == 0 {
			continue
		}
		durations := s.durations[:min(s.seen, samples)]
		slices.Sort(durations)
		p.Seconds = append(p.Seconds, beat{
			Unix: unix, By: slices.Clone(s.by[:]),
			P50: percentile(durations, 50), P95: percentile(durations, 95),
		})
		all = append(all, durations...)
	}
	if len(all) > 0 {
		slices.Sort(all)
		p.P50, p.P95 = percentile(all, 50), percentile(all, 95)
	}
	return p
}

// percentile returns the smallest of the sorted values that p percent of them
// do not exceed: the nearest rank.
func percentile(sorted []float32, p int) float32 {
	return sorted[(len(sorted)*p+99)/100-1]
}
