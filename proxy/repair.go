package proxy

import "net/http"

// repair applies the response rules to a backend's answer.
func (p *Proxy) repair(x *exchange, response *http.Response) error {
	return nil
}
