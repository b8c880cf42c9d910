package check

import (
	"net/http"
	"testing"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/scim"
)

// A step that is left alone may still be at work when the run is over.
func TestNoProxyIsMadeWhenTheRunIsOver(t *testing.T) {
	c := &check{Options: Options{Proxy: func(scim.Set, bool, *zap.Logger) (http.Handler, error) {
		return http.NotFoundHandler(), nil
	}}}
	c.fronts.open = c.newFront
	if _, err := c.fronts.get(trial{}); err != nil {
		t.Fatal(err)
	}
	c.close()
	if _, err := c.fronts.get(trial{plain: true}); err == nil {
		t.Error("a proxy was made that nobody closes")
	}
}
