// Package vault is an Azure Key Vault and a managed identity endpoint on this
// machine, as far as the proxy uses them: the versions of a secret, listed and
// read with a token that the endpoint issued.
package vault

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Secret is one version of a secret.
type Secret struct {
	// Value is the secret itself.
	Value string
	// ContentType describes the value; "" means none.
	ContentType string
	// Disabled keeps everybody from reading the value. The version is listed
	// all the same.
	Disabled bool
	// Created is when the version was made, in whole seconds on the wire, as
	// with Key Vault. Zero at Set means now.
	Created time.Time
	// NotBefore and Expires bound its validity; zero means no bound. As with
	// Key Vault, they do not keep anybody from reading it.
	NotBefore, Expires time.Time
}

// Refusal is an answer instead of what was asked for, in the form of Key
// Vault's errors.
// https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
type Refusal struct {
	// Status is that of the answer; zero means no refusal.
	Status int
	// Code is error.code, such as Forbidden.
	Code string
	// Inner is error.innererror.code, such as ForbiddenByRbac; "" leaves
	// error.innererror out.
	Inner string
	// Message is error.message.
	Message string
}

// Counts are the calls that came with a good token, refused ones included, and
// the tokens.
type Counts struct {
	// Reads are the calls for a value: by "name" for the current version, by
	// "name/version" for one that was named.
	Reads map[string]int
	// Lists are the calls for versions, one for each page.
	Lists int
	// Tokens are those that the identity endpoint issued.
	Tokens int
}

// Vault is one vault with the identity that may read it. The zero Vault is
// empty and ready to use. Its methods may be called at any time.
type Vault struct {
	mu                 sync.Mutex
	secrets            map[string][]*version // by name, in the order of Set
	token              string
	refusal, noListing Refusal
	down               bool
	delay              time.Duration
	reads              map[string]int
	lists, issued      int
	clientID           string
	identity           http.HandlerFunc
}

// version is a Secret with what the vault gives it.
type version struct {
	Secret
	id      string
	updated time.Time
}

// Set makes a new version of a secret, which becomes the current one, and
// returns its id: 32 hexadecimal digits. Versions are to be set in the order of
// their creation.
func (v *Vault) Set(name string, secret Secret) (id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var digits [16]byte
	rand.Read(digits[:])
	id = hex.EncodeToString(digits[:])
	if secret.Created.IsZero() {
		secret.Created = time.Now()
	}
	if v.secrets == nil {
		v.secrets = map[string][]*version{}
	}
	v.secrets[name] = append(v.secrets[name], &version{secret, id, secret.Created})
	return id
}

// Update changes a version, which must exist: to disable it, for example.
func (v *Vault) Update(name, id string, change func(*Secret)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.find(name, id)
	if found == nil {
		panic(fmt.Sprintf("vault: no version %q of secret %q to update", id, name))
	}
	change(&found.Secret)
	found.updated = time.Now()
}

// find returns a version; id "" means the current one. It returns nil if there
// is none. The lock must be held.
func (v *Vault) find(name, id string) *version {
	versions := v.secrets[name]
	if id == "" && len(versions) > 0 {
		return versions[len(versions)-1]
	}
	for _, candidate := range versions {
		if candidate.id == id {
			return candidate
		}
	}
	return nil
}

// Delete removes a secret with all its versions.
func (v *Vault) Delete(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.secrets, name)
}

// Refuse makes the vault refuse every call with a good token. The zero Refusal
// ends that.
func (v *Vault) Refuse(r Refusal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refusal = r
}

// RefuseList makes the vault refuse every listing of versions, as an access
// policy without the permission List does. The zero Refusal ends that.
func (v *Vault) RefuseList(r Refusal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.noListing = r
}

// SetDown makes vault and identity endpoint break every connection off without
// an answer, or ends that.
func (v *Vault) SetDown(down bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = down
}

// SetDelay makes each answer of the vault wait that long, or until its caller
// leaves. What it says was decided when the call came. Zero ends that.
func (v *Vault) SetDelay(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.delay = d
}

// SetIdentity replaces what the identity endpoint does; nil ends that.
func (v *Vault) SetIdentity(identity http.HandlerFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.identity = identity
}

// Counts returns what was counted so far.
func (v *Vault) Counts() Counts {
	v.mu.Lock()
	defer v.mu.Unlock()
	reads := map[string]int{}
	maps.Copy(reads, v.reads)
	return Counts{Reads: reads, Lists: v.lists, Tokens: v.issued}
}

// ClientID returns the client id that the last token was asked for with, "" for
// the system-assigned identity.
func (v *Vault) ClientID() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clientID
}
