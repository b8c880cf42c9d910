package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"example.com/entra-scim-proxy/proxy/check"
	"example.com/entra-scim-proxy/proxy/scim"
	"example.com/entra-scim-proxy/proxy/token"
)

// exitCheckUsage is what every linter and diff has for arguments that make no
// sense.
const exitCheckUsage = 2

const checkUsage = `handler check says why Test Connection fails, and what to do. It goes the way of
a call with the settings of its environment, as the proxy would, in less than
15 s. The exit status is 0 if nothing failed, 1 if something did or it was ended
early, and 2 for wrong arguments.

`

// runCheck is the command check. It returns 0 if nothing failed, 1 if something
// did, and 2 for arguments that make no sense.
func runCheck(ctx context.Context, arguments []string, environment map[string]string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("handler check", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), checkUsage) // nowhere else to complain
		flags.PrintDefaults()
	}
	asJSON := flags.Bool("json", false, "print the report as JSON")
	write := flags.Bool("write", false, "create, change and delete a user and a group at the backend, named entra-scim-proxy-check-…")
	switch err := flags.Parse(arguments); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitCheckUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "handler check: found argument %q; expected none but --json and --write. Settings are environment variables.\n", flags.Arg(0))
		return exitCheckUsage
	}
	if *write {
		// What the run creates has to go, whether or not somebody still looks on.
		signal.Ignore(syscall.SIGPIPE)
		hangup, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
		ctx = hangup
	}
	log.SetOutput(io.Discard) // net/http's, which quotes what peers send
	logger := newLogger(stderr, zapcore.ErrorLevel)
	s, found := parseSettings(environment)
	s.openVaultOr(&found, logger)
	options := s.checkOptions(found, logger)
	options.Write = *write

	var see func(check.Result)
	printer := check.Printer{Out: stdout, Colour: isTerminal(stdout) && environment["NO_COLOR"] == ""}
	if !*asJSON {
		see = printer.See
	}
	report := check.Run(ctx, options, see)
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(report); err != nil {
			fmt.Fprintln(stderr, "handler check: the report could not be written:", err)
			return exitFailure
		}
	} else {
		printer.Close(report)
	}
	if report.Result == check.Fail {
		return exitFailure
	}
	return exitOK
}

// isTerminal reports whether somebody sees colours (https://no-color.org).
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// checkReport returns a function that runs the check, and tells in JSON what the
// holder of Entra's token may know.
func (s settings) checkReport(logger *zap.Logger) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		own := s
		// Sources of its own: they must not be read twice at once.
		if err := own.openVault(zap.NewNop()); err != nil {
			return nil, err
		}
		report := check.Run(ctx, own.checkOptions(report{warnings: s.warnings}, logger), nil)
		if !s.CheckDetails {
			report = report.Public()
		}
		return json.Marshal(report)
	}
}

// checkOptions describe the check of the settings, whose sources are only for it.
func (s settings) checkOptions(found report, logger *zap.Logger) check.Options {
	if len(found.problems) > 0 {
		return check.Options{Settings: badSettings(found), Log: logger}
	}
	read := &values{of: map[string]token.Credentials{}}
	options := check.Options{
		Settings: goodSettings(found), Secrets: s.checkedSecrets(read),
		Backend: s.BackendURL.URL, Host: s.host(), ServerName: s.verifiedName(), UserAgent: userAgent,
		Timeout: time.Duration(s.BackendTimeout), Path: string(s.SCIMPath), Rules: s.normalizer.Rules(),
		StubGroups: s.Groups == stubbed, HasPublicURL: s.PublicURL != "", Log: logger,
		Proxy: func(rules scim.Set, plain bool, log *zap.Logger) (http.Handler, error) {
			return s.trial(read, rules, plain, log)
		},
	}
	if scheme := s.scheme(); s.BackendAuth.kind != authNone {
		options.Present = scheme.Present
	}
	if s.vault != nil {
		options.Vault = &check.Vault{Who: s.vault.Who(), Identity: s.vault.Identity, Reach: s.vault.Reach}
	}
	return options
}

// badSettings is the finding for settings that cannot be used.
func badSettings(found report) check.Finding {
	finding := check.Finding{
		Status: check.Fail, Class: "settings", Found: fmt.Sprintf("%d settings cannot be used", len(found.problems)),
		Cause: found.problems[0].String(), Remedy: "give each of them a value that it expects",
	}
	if len(found.problems) == 1 {
		finding.Found, finding.Remedy = "a setting cannot be used", "give it a value that it expects"
	}
	for _, problem := range found.problems[1:] {
		finding.Details = append(finding.Details, problem.String())
	}
	finding.Details = append(finding.Details, found.warnings...)
	return finding
}

// goodSettings is the finding for settings that can be used.
func goodSettings(found report) check.Finding {
	if len(found.warnings) == 0 {
		return check.Finding{Status: check.Pass, Found: "usable"}
	}
	return check.Finding{Status: check.Warn, Found: "usable, but risky", Details: found.warnings}
}

// checkedSecrets are the references that there are, in the order of the
// settings. What is read is kept.
func (s *settings) checkedSecrets(read *values) (list []check.Secret) {
	load := map[string]func(token.Source) credentialLoader{
		check.Inbound: token.ReadCredentials, check.Outbound: s.BackendAuth.read,
		check.BackendCert: asItIs, check.BackendCA: asItIs,
	}
	references := s.references()
	for _, setting := range []string{check.Inbound, check.Outbound, check.BackendCert, check.BackendCA} {
		reference := references[setting]
		if reference.Kind() == "" {
			continue
		}
		list = append(list, check.Secret{
			Setting: setting, Source: reference.origin(), InVault: reference.Kind() == token.KeyVault,
			Read: read.keeping(setting, load[setting](reference.source)),
		})
	}
	return list
}

// asItIs reads what is no credential.
func asItIs(source token.Source) credentialLoader { return source.Read }

// trial makes the proxy that serves, with other rules, of secrets that have been
// read. With plain it does without what answers or drops in the backend's place.
func (s settings) trial(read *values, rules scim.Set, plain bool, log *zap.Logger) (http.Handler, error) {
	for setting, reference := range s.references() {
		if reference.Kind() != "" {
			reference.source = kept{read, setting}
		}
	}
	s.Normalize.Set = rules
	if plain {
		s.Groups, s.DropAttributes = "", nil
	}
	if s.PublicURL == "" {
		s.PublicURL = "https://proxy.invalid" // so that the rule location can be tried
	}
	var found report
	if s.checkNormalization(&found); len(found.problems) > 0 {
		return nil, fmt.Errorf("rules %s: %s", rules, found.problems[0])
	}
	handler, _ := newProxy(s, log)
	return handler, nil
}

// values are what the secrets were when they were read, by setting.
type values struct {
	mu sync.Mutex
	of map[string]token.Credentials
}

// keeping returns a loader that keeps what it loads.
func (v *values) keeping(setting string, load credentialLoader) credentialLoader {
	return watched(load, func(loaded token.Credentials) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.of[setting] = loaded
	})
}

// kept is the source of what was read of a setting.
type kept struct {
	values  *values
	setting string
}

// Read returns what was read.
func (k kept) Read(context.Context) (token.Credentials, error) {
	k.values.mu.Lock()
	defer k.values.mu.Unlock()
	if read := k.values.of[k.setting]; read != nil {
		return slices.Clone(read), nil // whose elements loaders leave out
	}
	return nil, fmt.Errorf("%s was not read", k.setting)
}
