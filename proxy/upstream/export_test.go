package upstream

import (
	"crypto"
	"net"
)

// SetResolver gives a transport DNS servers of a test's own.
func (t *Transport) SetResolver(resolver *net.Resolver) { t.dialer.net.Resolver = resolver }

// Pair returns the public key of the certificate that is sent first, and the
// private key it is used with.
func Pair(i *Identity) (crypto.PublicKey, crypto.Signer) {
	return (*i.pair).Leaf.PublicKey, (*i.pair).PrivateKey.(crypto.Signer)
}
