package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"maps"
	"math"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

const (
	// expiryNotice is how long before its end something is worth a warning.
	// Key Vault announces the end of a secret as early.
	// https://learn.microsoft.com/azure/key-vault/general/event-grid-overview
	expiryNotice = 30 * 24 * time.Hour
	// expiryRepeat is the least time between two lines about the same thing.
	expiryRepeat = 24 * time.Hour
)

// expiryWatch logs when things expire. Use [newExpiryWatch].
type expiryWatch struct {
	log *zap.Logger

	mu   sync.Mutex
	told map[expiring]time.Time // when each was told of last
}

// expiring is one thing that expires, at the level it is told of.
type expiring struct {
	what, id string
	level    zapcore.Level
}

func newExpiryWatch(log *zap.Logger) *expiryWatch {
	return &expiryWatch{log: log, told: map[expiring]time.Time{}}
}

// note takes a thing's end, zero for none. A line a day tells it: at level Info,
// from 30 days before the end Warn, and after it Error.
func (w *expiryWatch) note(what, id string, end time.Time) {
	if end.IsZero() {
		return
	}
	now := time.Now()
	left := end.Sub(now)
	level, message := zapcore.InfoLevel, "expires"
	switch {
	case left <= 0:
		level, message = zapcore.ErrorLevel, "expired"
	case left <= expiryNotice:
		level, message = zapcore.WarnLevel, "expires soon"
	}
	if w.isNews(expiring{what, id, level}, now) {
		w.log.Log(level, message, zap.String("what", what), zap.String("id", id),
			zap.String("expires", end.UTC().Format(time.RFC3339)), zap.Int("days_left", int(math.Floor(left.Hours()/24))))
	}
}

// isNews reports whether a thing was not told of within a day, and takes it for
// told.
func (w *expiryWatch) isNews(thing expiring, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, ok := w.told[thing]; ok && now.Sub(last) < expiryRepeat {
		return false
	}
	// What is not seen any more must not stay for ever.
	maps.DeleteFunc(w.told, func(_ expiring, last time.Time) bool { return now.Sub(last) >= expiryRepeat })
	w.told[thing] = now
	return true
}

// credentials notes the values of a secret.
func (w *expiryWatch) credentials(setting string, values token.Credentials) {
	for _, value := range values {
		w.note(setting, value.String(), value.Expires())
	}
}

// bundle notes the certificates of BACKEND_CA.
func (w *expiryWatch) bundle(roots *upstream.Roots) {
	for _, certificate := range roots.Certificates {
		w.note("BACKEND_CA", fingerprint(certificate), certificate.NotAfter)
	}
}

// identity notes the client certificate, and those of its issuers.
func (w *expiryWatch) identity(identity *upstream.Identity) {
	for _, certificate := range identity.Certificates {
		w.note("BACKEND_CLIENT_CERT", fingerprint(certificate), certificate.NotAfter)
	}
}

// unasked tells, once a day, that nothing shows the backend who calls.
func (w *expiryWatch) unasked() {
	if w.isNews(expiring{what: "client certificate not asked for", level: zapcore.WarnLevel}, time.Now()) {
		w.log.Warn("the backend does not ask for the client certificate, and BACKEND_AUTH=none: it serves whoever calls")
	}
}

// chain notes what the backend presented, and what that was verified with.
func (w *expiryWatch) chain(chain []*x509.Certificate) {
	for i, certificate := range chain {
		what := "backend certificate"
		if i > 0 {
			what = "backend issuer"
		}
		w.note(what, fingerprint(certificate), certificate.NotAfter)
	}
}

// fingerprint identifies a certificate as openssl x509 -fingerprint -sha256
// does, in short.
func fingerprint(certificate *x509.Certificate) string {
	digest := sha256.Sum256(certificate.Raw)
	return "sha256:" + hex.EncodeToString(digest[:4])
}
