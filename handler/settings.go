package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/caarlos0/env/v11"
	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy/keyvault"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// settings are the operator's settings, one environment variable each. The
// README's table is made of this type: of each field's comment, its default,
// and what the "expect" tag says a value looks like.
type settings struct {
	// BackendURL is the base URL of the backend's SCIM service, any path.
	BackendURL backendURL `env:"BACKEND_URL,required" expect:"an absolute URL such as https://scim.corp.example/jira/rest/scim/v2, without user, query or fragment"`
	// BackendToken is the secret the backend expects: a bearer token, a password or an API key, as BACKEND_AUTH says.
	BackendToken secret `env:"BACKEND_TOKEN" expect:"a secret reference: keyvault:NAME[/VERSION], env:NAME, file:PATH or plain:VALUE; none with BACKEND_AUTH=none" default:"**required**, except with BACKEND_AUTH=none"`
	// BackendAuth is how the backend is shown that secret: as a bearer token, as the password of HTTP Basic, in a header of its own, or not at all.
	BackendAuth auth `env:"BACKEND_AUTH" envDefault:"bearer" expect:"bearer, basic, header:NAME with a header that the proxy does not use otherwise, such as header:X-Api-Key, or none"`
	// BackendUsername is the user of HTTP Basic.
	BackendUsername username `env:"BACKEND_USERNAME" expect:"a user name without a colon, control characters or blanks around it, with BACKEND_AUTH=basic and only then" default:"none"`
	// BackendClientCert is a client certificate in PEM with its key, or base64 of one, for a backend that asks for it.
	BackendClientCert secret `env:"BACKEND_CLIENT_CERT" expect:"a reference to PEM with certificate and key, for an https:// backend: keyvault:NAME[/VERSION], env:NAME, file:PATH or plain:VALUE" default:"none"`
	// EntraToken is the token Entra presents: the Secret Token of the enterprise app.
	EntraToken secret `env:"ENTRA_TOKEN,required" expect:"a secret reference: keyvault:NAME[/VERSION], env:NAME, file:PATH or plain:VALUE"`
	// BackendCA is a PEM bundle, or base64 of one; it replaces the system roots for the backend. Public material, so plain: is allowed everywhere.
	BackendCA secret `env:"BACKEND_CA" expect:"a reference to a PEM bundle: keyvault:NAME[/VERSION], env:NAME, file:PATH or plain:VALUE" default:"system roots"`
	// BackendServerName is the name to verify in the backend's certificate, the SNI, and the Host sent.
	BackendServerName serverName `env:"BACKEND_SERVER_NAME" expect:"a host name or IP address, without port" default:"host of BACKEND_URL"`
	// Groups is who answers for groups: the backend, or, where it has no /Groups, the proxy, which accepts them and forgets them. See docs/backends.
	Groups groups `env:"GROUPS" envDefault:"forward" expect:"forward or stub"`
	// DropAttributes are attributes that are removed from request bodies, for backends that refuse what they do not know.
	DropAttributes nameList `env:"DROP_ATTRIBUTES" expect:"attribute paths without filter, or URIs of extension schemas, with commas between, such as title,name.formatted,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager; neither schemas nor a sub-attribute value" default:"none"`
	// BackendAllowHTTP permits an http:// backend.
	BackendAllowHTTP boolean `env:"BACKEND_ALLOW_HTTP" envDefault:"false" expect:"true or false"`
	// BackendTimeout is one deadline for the whole call from its arrival: waiting for a secret, replays and the backend count against it.
	BackendTimeout timeout `env:"BACKEND_TIMEOUT" envDefault:"50s" expect:"a duration from 1s to 220s"`
	// SecretRefresh is how long a secret, or a CA bundle, is used before it is read again.
	SecretRefresh window `env:"SECRET_REFRESH" envDefault:"5m" expect:"a duration from 1s to 12h"`
	// SecretStale is how long the last good value of one is used while it cannot be read.
	SecretStale window `env:"SECRET_STALE" envDefault:"12h" expect:"a duration up to 168h, not shorter than SECRET_REFRESH"`
	// KeyVaultURL is the vault for keyvault: references; required when one is used.
	KeyVaultURL vaultURL `env:"KEY_VAULT_URL" expect:"https and a host, such as https://contoso-scim.vault.azure.net" default:"none"`
	// ClientID is the client id of a user-assigned identity.
	ClientID clientID `env:"AZURE_CLIENT_ID" expect:"a UUID" default:"system-assigned identity"`
	// SCIMPath is the public path prefix, replaced by BACKEND_URL's path.
	SCIMPath scimPath `env:"SCIM_PATH" envDefault:"/scim" expect:"/, or a path such as /scim of letters, digits and -._~, not below /admin or /runtime, which the Functions host keeps for itself"`
	// PublicURL is the public origin; never taken from a request.
	PublicURL origin `env:"PUBLIC_URL" expect:"an origin such as https://contoso-scim.azurewebsites.net, without path" default:"https://$WEBSITE_HOSTNAME in Azure"`
	// Normalize is the rules that are on, of those in docs/rules.md: the repairs of request bodies and of answers.
	Normalize ruleSet `env:"NORMALIZE" envDefault:"none" expect:"none, all, or names of rules and groups with commas between, -name to take one out"`
	// BooleanAttributes are custom attributes that hold booleans, for the rule custom-boolean.
	BooleanAttributes nameList `env:"BOOLEAN_ATTRIBUTES" expect:"attribute paths without filter, with commas between, such as urn:ietf:params:scim:schemas:extension:acme:2.0:User:isContractor" default:"none"`
	// IntegerAttributes are custom attributes that hold integers, for the rule custom-integer.
	IntegerAttributes nameList `env:"INTEGER_ATTRIBUTES" expect:"attribute paths without filter, with commas between, such as urn:ietf:params:scim:schemas:extension:acme:2.0:User:badgeNumber" default:"none"`
	// MultivaluedAttributes are custom attributes that hold several simple values, for the rule custom-multivalued.
	MultivaluedAttributes nameList `env:"MULTIVALUED_ATTRIBUTES" expect:"attribute paths without filter, with commas between, such as urn:ietf:params:scim:schemas:extension:acme:2.0:User:sites" default:"none"`
	// ExtensionSchemas are extension schemas whose URI is not of the form urn:ietf:params:scim:schemas:extension:NAME:2.0:User, or Group; those are known without.
	ExtensionSchemas nameList `env:"EXTENSION_SCHEMAS" expect:"schema URIs, with commas between, such as urn:acme:scim:schemas:1.0:Employee" default:"none"`
	// MaxBody is the largest request body.
	MaxBody size `env:"MAX_BODY" envDefault:"1MiB" expect:"bytes, or a size such as 1MiB, up to 100MiB"`
	// MaxHeader is the largest request header, request line included; a larger one gets 431.
	MaxHeader headerSize `env:"MAX_HEADER" envDefault:"16KiB" expect:"bytes, or a size such as 16KiB, from 8KiB to 1MiB"`
	// MaxConcurrent is how many calls are taken at a time; others get 503 at once.
	MaxConcurrent count `env:"MAX_CONCURRENT" envDefault:"1000" expect:"a number from 1 to 100000"`
	// CheckDetails shows addresses, names and certificates to whoever asks for the check with Entra's token; handler check always shows them.
	CheckDetails boolean `env:"CHECK_DETAILS" envDefault:"false" expect:"true or false"`
	// LogLevel is the least level that is logged.
	LogLevel logLevel `env:"LOG_LEVEL" envDefault:"info" expect:"debug, info, warn or error"`

	// port to listen on, of the loopback interface.
	port uint16
	// managedIdentity tells that Azure offers one here.
	managedIdentity bool
	// hostsPublicURL tells that PublicURL is not set, and made of the app's name.
	hostsPublicURL bool
	// normalizer is made of Normalize and the names above.
	normalizer *scim.Normalizer
	// vault is where keyvault references lead; nil until it is open, and if there
	// are none.
	vault *keyvault.Vault
	// warnings are those of the report.
	warnings []string
}

// problem is a setting that cannot be used.
type problem struct {
	setting, found, expected string
}

// String is one line: the setting, what was found, what was expected.
func (p problem) String() string {
	return fmt.Sprintf("%s: found %s; expected %s", p.setting, p.found, p.expected)
}

// report is what there is to say about an environment.
type report struct {
	problems []problem
	warnings []string
	// azure tells that the process runs in Azure Functions, not locally.
	azure bool
}

// azureNames are set in every Functions app. WEBSITE_HOSTNAME is not among
// them: Core Tools sets it, too.
var azureNames = []string{"WEBSITE_SITE_NAME", "WEBSITE_SKU", "WEBSITE_POD_NAME", "WEBSITE_INSTANCE_ID"}

func inAzure(environment map[string]string) bool {
	if strings.EqualFold(environment["FUNCTIONS_CORETOOLS_ENVIRONMENT"], "true") {
		return false
	}
	return slices.ContainsFunc(azureNames, func(name string) bool { return environment[name] != "" })
}

// parseSettings reads the settings out of an environment, and reports all that
// is wrong with them together. It does no I/O: whether a file or vault can be
// read shows later. With problems, the settings are not to be used, but for
// their port.
func parseSettings(environment map[string]string) (settings, report) {
	found := report{azure: inAzure(environment), warnings: nearMisses(environment)}
	present := maps.Clone(environment)
	if present == nil {
		present = map[string]string{} // the library reads the process's own for nil
	}
	for _, name := range settingNames() {
		// The library takes an empty value for an absent one.
		if value, ok := present[name]; ok && value == "" {
			found.add(name, "an empty value")
			delete(present, name)
		}
	}
	var s settings
	if err := env.ParseWithOptions(&s, env.Options{Environment: present}); err != nil {
		found.addParsed(err)
	}
	s.check(environment, &found)
	s.warnings = found.warnings
	return s, found
}

// openVaultOr opens the vault, or reports why it cannot. It takes no I/O: the SDK
// only looks at the variables that it knows itself.
func (s *settings) openVaultOr(found *report, logger *zap.Logger) {
	if len(found.problems) > 0 {
		return
	}
	if err := s.openVault(logger); err != nil {
		found.problems = append(found.problems, problem{"KEY_VAULT_URL", err.Error(), "variables that the Azure SDK accepts"})
	}
}

func (r *report) has(setting string) bool {
	return slices.ContainsFunc(r.problems, func(p problem) bool { return p.setting == setting })
}

func (r *report) add(setting, what string) {
	if !r.has(setting) {
		r.problems = append(r.problems, problem{setting, what, expectation(setting)})
	}
}

// addParsed takes the library's errors apart.
func (r *report) addParsed(err error) {
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		r.problems = append(r.problems, problem{"settings", err.Error(), "values that can be parsed"})
		return
	}
	for _, each := range all.Errors {
		if missing, ok := errors.AsType[env.VarIsNotSetError](each); ok {
			r.add(missing.Key, "nothing")
		}
		if failed, ok := errors.AsType[env.ParseError](each); ok {
			field, _ := reflect.TypeFor[settings]().FieldByName(failed.Name)
			r.add(settingName(field), failed.Err.Error())
		}
	}
}

// check judges the settings together, and completes them from what Azure sets.
func (s *settings) check(environment map[string]string, r *report) {
	if backend := s.BackendURL.URL; backend != nil && backend.Scheme == "http" && !s.BackendAllowHTTP {
		r.add("BACKEND_URL", fmt.Sprintf("%q without BACKEND_ALLOW_HTTP=true", backend))
	}
	s.checkSecrets(environment, r)
	s.checkAuth(environment, r)
	s.checkWindows(r)
	if host := environment["WEBSITE_HOSTNAME"]; r.azure && host != "" && s.PublicURL == "" {
		s.PublicURL, s.hostsPublicURL = origin("https://"+host), true
	}
	s.checkNormalization(r)
	s.managedIdentity = environment["IDENTITY_ENDPOINT"] != ""
	s.port = port(environment, r)
	if len(r.problems) == 0 {
		r.warnings = append(r.warnings, riskWarnings(situation{s, environment, r.azure})...)
	}
}

// checkSecrets judges the references and the values that are at hand.
func (s *settings) checkSecrets(environment map[string]string, r *report) {
	for _, each := range []struct {
		setting  string
		secret   *secret
		validate func(token.Secret) error
		public   bool
	}{
		{"BACKEND_TOKEN", &s.BackendToken, s.BackendAuth.validate, false},
		{"ENTRA_TOKEN", &s.EntraToken, token.Secret.Validate, false},
		{"BACKEND_CLIENT_CERT", &s.BackendClientCert, validIdentity, false},
		{"BACKEND_CA", &s.BackendCA, validBundle, true},
	} {
		if err := each.secret.resolve(environment, each.validate); err != nil {
			r.add(each.setting, err.Error())
		}
		if r.azure && !each.public && each.secret.Kind() == token.Plain {
			r.add(each.setting, "a plain: reference, which is refused in Azure")
		}
		if each.secret.Kind() == token.KeyVault && s.KeyVaultURL == "" {
			r.add("KEY_VAULT_URL", "nothing, but a keyvault: reference in "+each.setting)
		}
	}
}

// checkAuth judges BACKEND_AUTH and what goes with it.
func (s *settings) checkAuth(environment map[string]string, r *report) {
	_, hasToken := environment["BACKEND_TOKEN"]
	_, hasUser := environment["BACKEND_USERNAME"]
	_, hasCertificate := environment["BACKEND_CLIENT_CERT"]
	isNone, isBasic := s.BackendAuth.kind == authNone, s.BackendAuth.kind == authBasic
	for _, each := range []struct {
		bad           bool
		setting, what string
	}{
		{isNone && hasToken, "BACKEND_TOKEN", "a reference, but BACKEND_AUTH=none"},
		{!isNone && !hasToken, "BACKEND_TOKEN", "nothing"},
		{isNone && !hasCertificate, "BACKEND_CLIENT_CERT", "nothing, but BACKEND_AUTH=none: only a certificate can tell the backend who calls"},
		{isBasic && !hasUser, "BACKEND_USERNAME", "nothing, but BACKEND_AUTH=basic"},
		{!isBasic && hasUser, "BACKEND_USERNAME", "a user name, but not BACKEND_AUTH=basic"},
	} {
		if each.bad && !r.has("BACKEND_AUTH") {
			r.add(each.setting, each.what)
		}
	}
	if backend := s.BackendURL.URL; backend != nil && backend.Scheme == "http" {
		if hasCertificate {
			r.add("BACKEND_CLIENT_CERT", "a reference, but an http:// backend")
		}
		if s.BackendCA.Kind() != "" {
			r.warnings = append(r.warnings, "BACKEND_CA is set, but an http:// backend shows no certificate")
		}
	}
}

// checkWindows judges SECRET_REFRESH and SECRET_STALE together.
func (s *settings) checkWindows(r *report) {
	const longest = window(12 * time.Hour) // SECRET_STALE's default
	switch {
	case r.has("SECRET_REFRESH"), r.has("SECRET_STALE"):
	case s.SecretRefresh > longest:
		r.add("SECRET_REFRESH", fmt.Sprintf("%q", time.Duration(s.SecretRefresh)))
	case s.SecretStale < s.SecretRefresh:
		r.add("SECRET_STALE", fmt.Sprintf("%q, with SECRET_REFRESH=%s", time.Duration(s.SecretStale), time.Duration(s.SecretRefresh)))
	}
}

// settingName returns the environment variable of a field, "" if it has none.
func settingName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
	return name
}

func settingNames() []string {
	var names []string
	for field := range reflect.TypeFor[settings]().Fields() {
		if name := settingName(field); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// expectation says what a value of the setting looks like.
func expectation(setting string) string {
	for field := range reflect.TypeFor[settings]().Fields() {
		if settingName(field) == setting {
			return field.Tag.Get("expect")
		}
	}
	return portExpectation
}

// nearMisses warns of variables that are probably meant to be ours: a mistyped
// optional setting would otherwise be ignored in silence.
func nearMisses(environment map[string]string) []string {
	var warnings []string
	known := settingNames()
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if slices.Contains(known, name) {
			continue
		}
		for _, ours := range known {
			if isNear(name, ours) {
				warnings = append(warnings, fmt.Sprintf("%s is set but is not a setting; is %s meant?", name, ours))
			}
		}
	}
	return warnings
}

// isNear reports whether two names differ in at most two characters, beside
// case and separators.
func isNear(name, ours string) bool {
	fold := strings.NewReplacer("_", "", "-", "", ".", "")
	a, b := fold.Replace(strings.ToUpper(name)), fold.Replace(ours)
	return levenshtein.ComputeDistance(a, b) <= 2
}

// environment returns the process's variables.
func environment() map[string]string { return env.ToMap(os.Environ()) }
