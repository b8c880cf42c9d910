// Package profile describes the systems of the field that the proxy has to
// serve: how their SCIM service behaves and knows its callers, what an
// administrator sets up in Entra for them, and the proxy's settings. It holds
// data only; what it describes is done by lab/backend and by whoever starts the
// parts.
package profile

import (
	"slices"

	"example.com/entra-scim-proxy/lab/backend"
)

// Profile is one system.
type Profile struct {
	// Name is that on a command line: lower case, without blanks.
	Name string
	// Summary is one line for people.
	Summary string
	// Backend is how the SCIM service behaves, and its base path. PublicURL is
	// for the caller to set, and [Profile.Expecting] sets the credential.
	Backend backend.Options
	// Auth is how the service knows the proxy.
	Auth Auth
	// Certificate says what the service shows to those who connect.
	Certificate Certificate
	// Entra is what the administrator of the enterprise application sets.
	Entra Entra
	// Proxy are settings of the proxy by name, those that the system asks for
	// beside addresses, those of Auth, secrets and BACKEND_CA.
	Proxy map[string]string
	// Otherwise is what the service does, or the proxy in its place, that the
	// calls of an ordinary life take for a fault; empty for nothing.
	Otherwise string
	// Unverified are statements above that no source was found for.
	Unverified []string
}

// Certificate is how a service identifies itself.
type Certificate string

// The kinds of certificates.
const (
	// PrivateCA: BACKEND_CA has to name the authority.
	PrivateCA Certificate = "private CA"
	// PublicCA: BACKEND_CA stays empty, and the system's roots count.
	PublicCA Certificate = "public CA"
	// PlainHTTP: there is none, and no TLS.
	PlainHTTP Certificate = "plain HTTP"
)

// Entra is the part of a profile that is set up in Entra.
type Entra struct {
	// Flag puts aadOptscim062020 into the tenant URL. On-demand provisioning
	// ignores it.
	Flag bool
	// Scope is what is assigned to the application.
	Scope Scope
	// Dropped are target attributes to delete from the default mapping, in
	// Entra's spelling, such as title or addresses[type eq "work"].country.
	Dropped []string
	// GroupRename says that a group keeps its membership when it is renamed;
	// false means that its administrators must not.
	GroupRename bool
}

// Scope is what Entra provisions.
type Scope string

// The scopes.
const (
	UsersAndGroups Scope = "assigned users and groups"
	UsersOnly      Scope = "users only" // the group mapping is disabled
	OneGroup       Scope = "one group"  // and its members
)

// All returns the profiles, in the order in which to show them.
func All() []Profile {
	return []Profile{strict(), lenient(), confluence(), guard(), userSync(), odj(), luxPlugins(), kantega(), inHouse(), apiKey()}
}

// ByName returns the profile called name, and whether there is one.
func ByName(name string) (Profile, bool) {
	all := All()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return all[i], true
}
