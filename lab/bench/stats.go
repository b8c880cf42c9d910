package bench

import (
	"math"
	"slices"
	"time"
)

// percentile returns the p-th percentile of sorted values by the nearest-rank
// method: the least value that at least p percent of them do not exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// spread is the middle and the ends of several measurements of one thing.
type spread struct {
	median, min, max float64
}

// spreadOf sums values up, of which there must be one at least.
func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return spread{median, sorted[0], sorted[len(sorted)-1]}
}

// spread sums one number of each sample up.
func (m Measured) spread(number func(Sample) float64) spread {
	values := make([]float64, len(m.Samples))
	for i, sample := range m.Samples {
		values[i] = number(sample)
	}
	return spreadOf(values)
}

// ratio sums up the processor time of one subject over that of another, taken
// round by round.
func ratio(m, of Measured) spread {
	values := make([]float64, len(m.Samples))
	for i := range m.Samples {
		values[i] = m.Samples[i].CPU / of.Samples[i].CPU
	}
	return spreadOf(values)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
