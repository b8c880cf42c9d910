package proxy

import "context"

// normalize applies the request rules to the call.
func (p *Proxy) normalize(ctx context.Context, x *exchange) error {
	return nil
}
