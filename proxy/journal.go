package proxy

import (
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"example.com/entra-scim-proxy/proxy/token"
)

// strangersPerSecond is how many lines calls without a token that is known get in
// a second: whoever floods the proxy must not fill the log, which costs money, and
// hide in it what matters.
const strangersPerSecond = 10

// journal writes the lines of exchanges.
type journal struct {
	log       *zap.Logger
	strangers *rate.Limiter
	withheld  atomic.Int64 // lines that were not written and that no line has told of yet
}

func newJournal(log *zap.Logger) *journal {
	return &journal{log: log, strangers: rate.NewLimiter(strangersPerSecond, strangersPerSecond)}
}

// write writes the exchange's one line. It runs also when the handler panics.
func (j *journal) write(x *exchange) {
	entry := j.log.Check(x.level, "exchange")
	switch {
	case entry == nil:
		return
	case x.caller == token.Secret{} && x.class != classInternal && !j.strangers.Allow():
		j.withheld.Add(1)
		return
	}
	x.withheld = j.withheld.Swap(0)
	entry.Write(zap.Inline(x))
}
