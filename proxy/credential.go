package proxy

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/token"
)

const (
	// patience is how long calls wait for a new credential from when the
	// backend began to refuse all that there are: that of one more read
	// (renewals are 30 s apart), and a little.
	patience = 35 * time.Second
	// forgetAfter is how long the backend must have refused nothing for
	// refusals to count as new ones.
	forgetAfter = 10 * time.Minute
)

// standing is what the backend's answers have shown of its credentials. The
// zero standing has seen none.
type standing struct {
	taken   atomic.Bool             // the backend has taken a credential
	favour  atomic.Pointer[favour]  // nil: the first credential is presented
	refusal atomic.Pointer[refusal] // nil: there was none
}

// favour is that the backend took a credential that is not the first. It lasts
// until the credentials are read again.
type favour struct {
	read   *token.Secret // the first element of the credentials as they were read
	secret token.Secret
}

// refusal is a time in which the backend takes none of the credentials.
type refusal struct {
	first       token.Secret // of the credentials
	since, last time.Time
}

// wasTaken notes that the backend took a credential.
func (s *standing) wasTaken() {
	if !s.taken.Load() { // all calls would write to it otherwise
		s.taken.Store(true)
	}
}

// choose returns the credential to present.
func (s *standing) choose(credentials token.Credentials) token.Secret {
	if f := s.favour.Load(); f != nil && len(credentials) > 0 && f.read == &credentials[0] {
		return f.secret
	}
	return credentials.Current()
}

// remember makes choose return a credential that the backend took after it had
// refused another.
func (s *standing) remember(credentials token.Credentials, taken token.Secret) {
	if taken.Equal(credentials.Current()) {
		s.favour.Store(nil)
		return
	}
	s.favour.Store(&favour{read: &credentials[0], secret: taken})
}

// patienceEnds returns until when a call may wait whose credentials, of which
// the first is given, the backend refuses. Calls wait because a backend can be
// given a new credential before the vault is, and only once for each: one that
// stays refused is not going to be taken. It also reports whether this is the
// first such call.
func (s *standing) patienceEnds(first token.Secret) (until time.Time, begins bool) {
	now := time.Now()
	next := refusal{first: first, since: now, last: now}
	before := s.refusal.Load()
	goesOn := before != nil && before.first.Equal(first) && now.Sub(before.last) < forgetAfter
	if goesOn {
		next.since = before.since
	}
	begins = s.refusal.CompareAndSwap(before, &next) && !goesOn
	return next.since.Add(patience), begins
}

// another returns a credential that is not among those tried, and the ones it is
// part of: the one that other calls use by now; else the current one, read
// again if it was tried; else the one before it. If all were tried it waits for
// a new one, provided the backend has ever taken one and the call can wait.
func (s *swap) another(ctx context.Context, tried []token.Secret, canWait bool) (token.Credentials, token.Secret, bool) {
	untried := func(secret token.Secret) bool { return !slices.ContainsFunc(tried, secret.Equal) }
	credentials, err := s.outbound.Get(ctx)
	if err != nil {
		return nil, token.Secret{}, false
	}
	if choice := s.choose(credentials); untried(choice) {
		return credentials, choice, true
	}
	credentials = s.outbound.Renew(ctx, func(have token.Credentials) bool { return untried(have.Current()) })
	at := slices.IndexFunc(credentials, untried)
	if at < 0 && canWait && s.taken.Load() {
		until, begins := s.patienceEnds(credentials.Current())
		if begins {
			s.log.Warn("the backend refuses the credential that it took before; calls wait for a new one",
				zap.Stringer("credential", credentials), zap.String("limit", patience.String()))
		}
		waiting, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		credentials = s.outbound.Await(waiting, func(have token.Credentials) bool { return slices.ContainsFunc(have, untried) })
		at = slices.IndexFunc(credentials, untried)
	}
	if at < 0 {
		return nil, token.Secret{}, false
	}
	return credentials, credentials[at], true
}
