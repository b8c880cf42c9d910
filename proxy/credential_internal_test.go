package proxy

import (
	"sync"
	"testing"
	"time"

	"example.com/entra-scim-proxy/proxy/token"
)

// A refusal noted in the same moment must not swallow the success that ends it.
func TestSuccessEndsARefusalThatGoesOn(t *testing.T) {
	secret := token.NewSecret("old")
	lost := 0
	for range 200000 {
		s := &standing{}
		r, _ := s.refused(token.Credentials{secret})
		at := time.Now().Add(time.Second) // sent after it began
		var group sync.WaitGroup
		group.Go(func() { s.refused(token.Credentials{secret}) })
		s.sent(at, secret, 204)
		group.Wait()
		select {
		case <-r.over:
		default:
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of 200000 successes woke nobody", lost)
	}
}
