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
	// (renewals are 30 s apart, and take 10 s at most), and a little.
	patience = 45 * time.Second
	// forgetAfter is how long after the last of them refusals are over.
	forgetAfter = 10 * time.Minute
)

// standing is what the backend's answers have shown of its credentials. The
// zero standing has seen none.
type standing struct {
	taken   atomic.Bool             // the backend has taken a credential
	favour  atomic.Pointer[favour]  // nil: the first credential is presented
	refusal atomic.Pointer[refusal] // nil: there is none
}

// favour is that the backend took a credential that is not the first. It lasts
// until the credentials are read again.
type favour struct {
	read   *token.Secret // the first element of the credentials as they were read
	secret token.Secret
}

// refusal is a time in which the backend takes none of the credentials.
type refusal struct {
	of          token.Credentials
	since, last time.Time
	*ending
}

// ending is how a refusal ends: with a credential that the backend took.
type ending struct {
	over  chan struct{}
	taken token.Secret // not to be read before over is closed
}

// sent notes the backend's answer to a call that was sent at the time given. Only
// success shows that it took the credential: another status may be that of
// something in front of it.
func (s *standing) sent(at time.Time, credential token.Secret, status int) {
	if status < 200 || status > 299 {
		return
	}
	if !s.taken.Load() { // all calls would write to it otherwise
		s.taken.Store(true)
	}
	for { // again if another refusal was noted meanwhile
		r := s.refusal.Load()
		if r == nil || !at.After(r.since) || !slices.ContainsFunc(r.of, credential.Equal) {
			return
		}
		if s.refusal.CompareAndSwap(r, nil) {
			r.taken = credential
			close(r.over)
			return
		}
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

// refused notes that the backend took none of the credentials, and returns the
// refusal that the call is part of. It also reports whether it is its first.
func (s *standing) refused(credentials token.Credentials) (r *refusal, begins bool) {
	for {
		now := time.Now()
		before := s.refusal.Load()
		next := &refusal{of: credentials, since: now, last: now, ending: &ending{over: make(chan struct{})}}
		goesOn := before != nil && slices.EqualFunc(before.of, credentials, token.Secret.Equal) && now.Sub(before.last) < forgetAfter
		if goesOn {
			next.since, next.ending = before.since, before.ending
		}
		if s.refusal.CompareAndSwap(before, next) {
			return next, !goesOn
		}
	}
}

// another returns a credential that is not among those tried, and the ones it is
// part of: the one that other calls use by now; else the current one, read
// again if it was tried; else the one before it.
func (s *swap) another(ctx context.Context, tried []token.Secret) (token.Credentials, token.Secret, bool) {
	credentials, err := s.outbound.Get(ctx)
	if err != nil {
		return nil, token.Secret{}, false
	}
	if choice := s.choose(credentials); isUntried(choice, tried) {
		return credentials, choice, true
	}
	credentials = s.outbound.Renew(ctx, func(have token.Credentials) bool { return isUntried(have.Current(), tried) })
	return firstUntried(credentials, tried)
}

// await waits, when all credentials were tried, for a new one, because a backend
// can be given one before the vault is; or until the backend takes one of them
// again, and returns that. Calls wait if the backend has ever taken a credential,
// and only in the beginning: one that stays refused is not going to be taken.
func (s *swap) await(ctx context.Context, tried []token.Secret) (token.Credentials, token.Secret, bool) {
	if s.fixed || !s.taken.Load() {
		return nil, token.Secret{}, false
	}
	credentials, err := s.outbound.Get(ctx)
	if err != nil {
		return nil, token.Secret{}, false
	}
	if credentials, next, ok := firstUntried(credentials, tried); ok {
		return credentials, next, true // came just now
	}
	r, begins := s.refused(credentials)
	if begins {
		s.log.Warn("the backend refuses the credential that it took before; calls wait for a new one",
			zap.Stringer("credential", credentials), zap.String("limit", patience.String()))
	}
	ctx, cancel := context.WithDeadline(ctx, r.since.Add(patience))
	defer cancel()
	credentials = s.outbound.Await(ctx, r.over, func(have token.Credentials) bool {
		_, _, ok := firstUntried(have, tried)
		return ok
	})
	select {
	case <-r.over:
		return credentials, r.taken, len(credentials) > 0
	default:
		return firstUntried(credentials, tried)
	}
}

func isUntried(secret token.Secret, tried []token.Secret) bool {
	return !slices.ContainsFunc(tried, secret.Equal)
}

func firstUntried(credentials token.Credentials, tried []token.Secret) (token.Credentials, token.Secret, bool) {
	for _, secret := range credentials {
		if isUntried(secret, tried) {
			return credentials, secret, true
		}
	}
	return nil, token.Secret{}, false
}
