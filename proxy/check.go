package proxy

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// CheckPath is the path below [Options].Path at which the report of the check is.
const CheckPath = "/.well-known/check"

// checkEvery is the least time between two runs of the check: each makes some
// twenty calls.
const checkEvery = 30 * time.Second

// check answers with a report, unless another was asked for a moment ago.
func (p *Proxy) check(x *exchange) (*answer, error) {
	if x.method != http.MethodGet {
		x.Header().Set("Allow", http.MethodGet)
		return nil, errCheckMethod
	}
	if wait := p.checkWait(time.Now()); wait > 0 {
		x.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return nil, errCheckTooSoon
	}
	// Not the exchange's deadline: the check has one of its own, which a short
	// BACKEND_TIMEOUT must not cut off.
	report, err := p.options.Check(x.request.Context())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCheck, err)
	}
	x.Header().Set("Cache-Control", "no-store")
	return &answer{by: byCheck, status: http.StatusOK, body: report, media: mediaJSON}, nil
}

// checkWait returns how long the check is not to be run again, zero for a caller
// who may run it now.
func (p *Proxy) checkWait(now time.Time) time.Duration {
	last := p.checked.Load()
	if last != nil && now.Sub(*last) < checkEvery {
		return checkEvery - now.Sub(*last)
	}
	if !p.checked.CompareAndSwap(last, &now) {
		return checkEvery // somebody else began just now
	}
	return 0
}
