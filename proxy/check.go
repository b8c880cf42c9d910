package proxy

import (
	"fmt"
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
		return nil, errMethod
	}
	last, now := p.checked.Load(), time.Now()
	wait := time.Unix(0, last).Add(checkEvery).Sub(now)
	if last != 0 && wait > 0 || !p.checked.CompareAndSwap(last, now.UnixNano()) {
		x.Header().Set("Retry-After", strconv.Itoa(int(max(wait, checkEvery/30).Seconds()+1)))
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
