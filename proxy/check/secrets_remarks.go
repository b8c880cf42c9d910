package check

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

const (
	// day is one, also where the clock is changed.
	day = 24 * time.Hour
	// expiryNotice is how long before its end something is worth a warning: as
	// early as the log has it.
	expiryNotice = 30 * day
	// shortest is what cannot be guessed, in characters, if it is random.
	shortest = 16
	// longest is what Entra surely takes, in characters. Its limit is about 1 KB
	// for all that a job keeps secret, and shows only when the job is saved.
	// https://github.com/MicrosoftDocs/azure-docs/issues/40093
	longest = 256
	// maxCertificates is how many certificates of a bundle are shown: a system's
	// whole one has 150.
	maxCertificates = 20
)

// days says how long something is, in whole days.
func days(d time.Duration) string {
	if d < day {
		return "less than a day"
	}
	return count(int(d/day), "day", "days")
}

// expiry says when something ends or ended.
func expiry(at, now time.Time) string {
	if left := at.Sub(now); left > 0 {
		return "expires in " + days(left)
	}
	return "expired " + days(now.Sub(at)) + " ago"
}

// from says in words for everybody where a value comes from, and how old it is.
func (s Secret) from(value token.Secret, now time.Time) string {
	text := "from " + s.place()
	if created := value.Origin().Created; !created.IsZero() {
		text += ", " + days(now.Sub(created)) + " old"
	}
	return text
}

// line tells where the secret is kept.
func (s Secret) line() string { return "source: " + s.Source }

// lines describe the values that count.
func (s Secret) lines(values token.Credentials, now time.Time) []string {
	lines := []string{s.line()}
	for i, value := range values {
		origin := value.Origin()
		var words []string
		if origin.Version != "" {
			words = append(words, "version "+origin.Version)
		}
		if !origin.Created.IsZero() {
			words = append(words, fmt.Sprintf("created %s (%s old)", date(origin.Created), days(now.Sub(origin.Created))))
		}
		if !origin.Expires.IsZero() {
			words = append(words, until(origin.Expires, now))
		}
		lines = append(lines, []string{"first: ", "beside it: "}[min(i, 1)]+strings.Join(append(words, value.String()), ", "))
	}
	return lines
}

// until says when something ends or ended, with the time.
func until(at, now time.Time) string {
	verb, rest, _ := strings.Cut(expiry(at, now), " ")
	return fmt.Sprintf("%s %s (%s)", verb, date(at), rest)
}

// remarks are what a finding says of a secret that was read.
type remarks struct{ finding *Finding }

// say adds words for everybody.
func (r *remarks) say(found string) { r.finding.Found += ", " + found }

// warn adds what to do about something; cause is for who sees the inside, "" for
// none.
func (r *remarks) warn(cause, remedy string) {
	r.finding.Status = Warn
	join := func(text *string, more string) {
		if *text != "" && more != "" {
			*text += "; "
		}
		*text += more
	}
	join(&r.finding.Cause, cause)
	join(&r.finding.Remedy, remedy)
}

// confide warns of what makes a token worth trying or guessing: everybody else
// gets the finding as it was. It comes after other remarks.
func (r *remarks) confide(cause string) {
	remedy := random
	if r.finding.ForAll == nil {
		before := *r.finding
		r.finding.ForAll = &before
	} else {
		remedy = "" // it is there
	}
	r.warn(cause, remedy)
}

// end says when something ends, and warns if that is soon or was.
func (r *remarks) end(prefix string, at, now time.Time, remedy string) {
	if at.IsZero() {
		return
	}
	r.say(prefix + expiry(at, now))
	if at.Sub(now) <= expiryNotice {
		r.warn("", remedy)
	}
}

// token judges the present value of a token.
func (r *remarks) token(setting string, value token.Secret, now time.Time) {
	r.end("", value.Expires(), now, "renew it: set a new version, and see that whoever uses the old one gets it")
	length := utf8.RuneCountInString(value.Reveal())
	switch {
	case setting == Inbound && length < shortest:
		r.say(fmt.Sprintf("shorter than %d characters", shortest))
		r.warn("", random)
	case setting == Inbound && length > longest:
		r.say(fmt.Sprintf("longer than %d characters", longest))
		r.warn("Entra keeps about 1 KB for all secrets of a job, and says so only when the job is saved", "set one of at most 256 characters")
	}
	if value.Origin().Unlisted {
		r.say("only its current version counts")
		r.warn("the versions of the secret may not be listed, so that after a rotation the value before is refused at once",
			"let the app's identity list secrets, as the role Key Vault Secrets User does")
	}
	if setting == Outbound && length < shortest {
		r.confide(fmt.Sprintf("it is shorter than %d characters", shortest))
	}
}

// bearer is the word before a token in a header (RFC 6750 section 2.1).
const bearer = "Bearer"

// scheme warns of a token that begins with that word.
func (r *remarks) scheme(value token.Secret) {
	if word, _, blank := strings.Cut(value.Reveal(), " "); blank && strings.EqualFold(word, bearer) {
		r.warn("it begins with the word Bearer, which then stands in the header twice", "put the bare token there, without the word Bearer")
	}
}

// random is what to do about a token that serves badly as one.
const random = "set a new random value of at least 32 characters, of its own"

// same says that both tokens are one.
func (r *remarks) same() {
	r.confide("ENTRA_TOKEN and BACKEND_TOKEN hold the same value, so that whoever has the one can do without the proxy")
}

// roots judges the bundle.
func (r *remarks) roots(roots *upstream.Roots, now time.Time) {
	r.say(count(len(roots.Certificates), "certificate", "certificates"))
	var next time.Time // when the first ends that has not yet
	for i, certificate := range roots.Certificates {
		if i < maxCertificates {
			r.detail("PEM block %d: %q, %s, %s", i+1, certificate.Subject, until(certificate.NotAfter, now), fingerprint(certificate))
		}
		if at := certificate.NotAfter; at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if more := len(roots.Certificates) - maxCertificates; more > 0 {
		r.detail("and %d more", more)
	}
	if !next.IsZero() && next.Sub(now) <= expiryNotice {
		r.end("one ", next, now, "put its successor beside it in time, if the backend's certificate depends on it")
	}
	if n := len(roots.Warnings); n > 0 {
		r.say(fmt.Sprintf("%d with a remark", n))
		r.warn("", "take out certificates that are of no use, and see that the authority that signs the backend's is there")
		r.finding.Details = append(r.finding.Details, roots.Warnings...)
	}
}

// identity judges the client certificate.
func (r *remarks) identity(identity *upstream.Identity, now time.Time) {
	own := identity.Certificates[0]
	r.end("its certificate ", own.NotAfter, now, "have a new certificate issued, and put it there with its key")
	for i, certificate := range identity.Certificates {
		r.detail("certificate %d of %d: subject %q, issuer %q, %s, %s", i+1, len(identity.Certificates),
			certificate.Subject, certificate.Issuer, until(certificate.NotAfter, now), fingerprint(certificate))
	}
	if len(identity.Warnings) > 0 {
		r.say("the backend may refuse it")
		r.warn("", "have a certificate issued that is valid now, and for client authentication")
		r.finding.Details = append(r.finding.Details, identity.Warnings...)
	}
}

func (r *remarks) detail(format string, arguments ...any) {
	r.finding.Details = append(r.finding.Details, fmt.Sprintf(format, arguments...))
}
