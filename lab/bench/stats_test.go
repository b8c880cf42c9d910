package bench

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, test := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{hundred, 0, 1}, {hundred, 50, 50}, {hundred, 99, 99}, {hundred, 99.5, 100}, {hundred, 100, 100},
		{[]time.Duration{7}, 1, 7}, {[]time.Duration{7}, 99, 7},
		{[]time.Duration{1, 2, 3}, 50, 2}, {[]time.Duration{1, 2, 3, 4}, 50, 2},
	} {
		if got := percentile(test.sorted, test.p); got != test.want {
			t.Errorf("percentile %v of %d values: got %d, want %d", test.p, len(test.sorted), got, test.want)
		}
	}
}

func TestSpread(t *testing.T) {
	if got := spreadOf([]float64{3, 1, 2}); got != (spread{2, 1, 3}) {
		t.Errorf("odd: got %+v", got)
	}
	if got := spreadOf([]float64{4, 1, 2, 3}); got != (spread{2.5, 1, 4}) {
		t.Errorf("even: got %+v", got)
	}
}

// The ratio is taken round by round: a round on a slow machine counts as much
// as one on a fast one.
func TestRatio(t *testing.T) {
	a := Measured{Samples: []Sample{{CPU: 80}, {CPU: 900}, {CPU: 50}}}
	b := Measured{Samples: []Sample{{CPU: 100}, {CPU: 1000}, {CPU: 100}}}
	if got := ratio(a, b); got != (spread{0.8, 0.5, 0.9}) {
		t.Errorf("got %+v", got)
	}
}
