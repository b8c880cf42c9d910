package check

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/entra-scim-proxy/proxy/upstream"
)

// chain is what the backend presented, and what it was verified with.
type chain struct {
	presented []*x509.Certificate
	// more is how many were presented beyond those.
	more int
	// roots are those of BACKEND_CA; nil if it is not set.
	roots *upstream.Roots
	// best is the verified chain that is valid longest: calls fail when none is
	// left. It is nil if there is none.
	best []*x509.Certificate
}

func newChain(shown upstream.Presented, roots *upstream.Roots) *chain {
	presented := shown.Chain[:min(len(shown.Chain), maxJudged)]
	c := &chain{presented: presented, more: len(shown.Chain) - len(presented), roots: roots}
	for _, verified := range shown.Verified {
		if c.best == nil || end(verified).After(end(c.best)) {
			c.best = verified
		}
	}
	return c
}

// end is when the first certificate of a chain ends.
func end(certificates []*x509.Certificate) time.Time {
	return slices.MinFunc(certificates, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
}

// signed reports whether the key of one certificate made the signature of
// another.
func signed(by, certificate *x509.Certificate) bool {
	if !bytes.Equal(by.RawSubject, certificate.RawIssuer) {
		return false
	}
	err := by.CheckSignature(certificate.SignatureAlgorithm, certificate.RawTBSCertificate, certificate.Signature)
	if _, old := errors.AsType[x509.InsecureAlgorithmError](err); old {
		// An old root signed itself with SHA-1, which nobody checks: the ids of the
		// keys have to do (RFC 5280 section 4.2.1.1).
		return len(certificate.AuthorityKeyId) == 0 || bytes.Equal(certificate.AuthorityKeyId, by.SubjectKeyId)
	}
	return err == nil
}

// bundle returns the certificates of BACKEND_CA.
func (c *chain) bundle() []*x509.Certificate {
	if c.roots == nil {
		return nil
	}
	return c.roots.Certificates
}

// place returns where in BACKEND_CA a certificate is, from 1 on; 0 if it is not.
func (c *chain) place(certificate *x509.Certificate) int {
	return slices.IndexFunc(c.bundle(), certificate.Equal) + 1
}

// maxName bounds a name that is shown, in characters: nobody has verified it.
const maxName = 200

// dn quotes a distinguished name.
func dn(name pkix.Name) string { return quoted(name.String()) }

// quoted quotes a name, cut short.
func quoted(name string) string {
	text := []rune(name)
	return strconv.Quote(string(text[:min(len(text), maxName)]))
}

// identified names a certificate.
func identified(certificate *x509.Certificate) string {
	return dn(certificate.Subject) + ", " + fingerprint(certificate)
}

// fingerprint identifies a certificate as the log does.
func fingerprint(certificate *x509.Certificate) string {
	digest := sha256.Sum256(certificate.Raw)
	return "sha256:" + hex.EncodeToString(digest[:4])
}

// signer says whose key signed a certificate.
func (c *chain) signer(certificate *x509.Certificate) string {
	by := func(other *x509.Certificate) bool { return signed(other, certificate) }
	if by(certificate) {
		return "itself"
	}
	if i := slices.IndexFunc(c.presented, by); i >= 0 {
		return fmt.Sprintf("certificate %d", i+1)
	}
	if i := slices.IndexFunc(c.bundle(), by); i >= 0 {
		return fmt.Sprintf("PEM block %d of BACKEND_CA (%s)", i+1, identified(c.bundle()[i]))
	}
	if i := slices.IndexFunc(c.best, by); i >= 0 {
		return fmt.Sprintf("one of the system's roots (%s)", identified(c.best[i]))
	}
	return "none that is presented or trusted"
}

// maxPresented is how many certificates of a chain are shown, and maxNames how
// many names of one. maxJudged is how many are looked at: who signed what takes a
// signature check for each pair of the same name, and a message has room for
// hundreds of certificates of anybody's.
const maxPresented, maxNames, maxJudged = 8, 10, 16

// lines describes the certificates in the order in which they were presented, and
// what is odd about that.
func (c *chain) lines() (lines []string) {
	for i, certificate := range c.presented {
		if i == maxPresented {
			lines = append(lines, fmt.Sprintf("and %d more certificates", len(c.presented)-i+c.more))
			break
		}
		line := fmt.Sprintf("certificate %d: subject %s, issuer %s, signed by %s", i+1, dn(certificate.Subject), dn(certificate.Issuer), c.signer(certificate))
		if place := c.place(certificate); place > 0 {
			line += fmt.Sprintf(", also PEM block %d of BACKEND_CA", place)
		}
		if names := hostNames(certificate); i == 0 || names != "" {
			line += ", names [" + names + "]"
		}
		lines = append(lines, line+fmt.Sprintf(", valid from %s until %s, %s", date(certificate.NotBefore), date(certificate.NotAfter), fingerprint(certificate)))
	}
	return append(lines, c.oddities()...)
}

// hostNames lists the subject alternative names that count for a server.
func hostNames(certificate *x509.Certificate) string {
	var names []string
	for _, name := range certificate.DNSNames {
		names = append(names, quoted(name))
	}
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	if more := len(names) - maxNames; more > 0 {
		names = append(names[:maxNames], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, " ")
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// path returns the places of the certificates presented, from 0 on, from the
// backend's own along the issuers as far as they were presented.
func (c *chain) path() []int {
	path := []int{0}
	for {
		last := c.presented[path[len(path)-1]]
		next := slices.IndexFunc(c.presented, func(other *x509.Certificate) bool { return signed(other, last) })
		if next < 0 || slices.Contains(path, next) {
			return path
		}
		path = append(path, next)
	}
}

// oddities says what the backend should present otherwise, though it may work.
func (c *chain) oddities() (lines []string) {
	if len(c.presented) == 0 {
		return nil
	}
	path := c.path()
	if !slices.IsSorted(path) {
		// RFC 8446 section 4.4.2 has clients cope; RFC 5246 section 7.4.2 does not.
		lines = append(lines, "the certificates come in the wrong order: each should be signed by the next; old clients refuse that")
	}
	for i := range min(len(c.presented), maxPresented) {
		switch certificate := c.presented[i]; {
		case !slices.Contains(path, i):
			lines = append(lines, fmt.Sprintf("certificate %d is needless: it issued none of the others", i+1))
		case i > 0 && c.best != nil && signed(certificate, certificate):
			lines = append(lines, fmt.Sprintf("certificate %d is needless: it is a root, which a client trusts of its own or not at all", i+1))
		}
	}
	if c.best == nil {
		return lines
	}
	last := c.best[len(c.best)-1]
	if !signed(last, last) && !slices.ContainsFunc(c.presented, last.Equal) {
		lines = append(lines, fmt.Sprintf("the backend does not send its intermediate %s: it works because BACKEND_CA has that, and other clients may fail", dn(last.Subject)))
	}
	return lines
}

// anchor names the trusted certificate that the chain ends in.
func (c *chain) anchor() string {
	last := c.best[len(c.best)-1]
	if place := c.place(last); place > 0 {
		return fmt.Sprintf("verified with PEM block %d of BACKEND_CA (%s), valid until %s", place, identified(last), date(last.NotAfter))
	}
	return fmt.Sprintf("verified with one of the system's roots (%s), valid until %s", identified(last), date(last.NotAfter))
}

// unused lists what of BACKEND_CA is not used, or deserves attention.
func (c *chain) unused() (lines []string) {
	if c.roots == nil {
		return nil
	}
	for _, warning := range c.roots.Warnings {
		lines = append(lines, "BACKEND_CA: "+warning)
	}
	return lines
}
