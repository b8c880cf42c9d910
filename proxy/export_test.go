package proxy

import "time"

// SetBodyTime replaces the 30 s that a body may take to arrive.
func (p *Proxy) SetBodyTime(limit time.Duration) { p.bodyTime = limit }
