package proxy

import (
	"time"

	"golang.org/x/time/rate"
)

// SetBodyTime replaces the 30 s that a body may take to arrive.
func (p *Proxy) SetBodyTime(limit time.Duration) { p.bodyTime = limit }

// LogStrangers has each call get its line, whoever makes it.
func (p *Proxy) LogStrangers() { p.journal.strangers = rate.NewLimiter(rate.Inf, 0) }
