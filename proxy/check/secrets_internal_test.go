package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
)

const (
	inVault  = "keyvault:name-canary"
	inFile   = "file:/run/path-canary"
	longName = "version-canary"
)

// reading is the source of values.
func reading(values ...token.Secret) func(context.Context) (token.Credentials, error) {
	return func(context.Context) (token.Credentials, error) { return values, nil }
}

// failing is a source that fails.
func failing(err error) func(context.Context) (token.Credentials, error) {
	return func(context.Context) (token.Credentials, error) { return nil, err }
}

// silentUntilTheEnd is a source that does not answer.
func silentUntilTheEnd(ctx context.Context) (token.Credentials, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// value is a good token, aged and with an end; left zero means none.
func value(text string, age, left time.Duration) token.Secret {
	origin := token.Origin{Version: longName, Created: time.Now().Add(-age)}
	if left != 0 {
		origin.Expires = time.Now().Add(left)
	}
	return token.NewSecret(text).WithOrigin(origin)
}

// good is a vault that is as it should be.
func good() *Vault {
	return &Vault{
		Who:      "the system-assigned managed identity",
		Identity: func(context.Context) (string, error) { return "client id id-canary", nil },
		Reach:    func(context.Context) error { return nil },
	}
}

// readAll runs the steps of the secrets alone, and returns their results by name.
// It is to be called in a bubble.
func readAll(t *testing.T, options Options) map[string]Result {
	t.Helper()
	options.Log = zap.NewNop()
	c := &check{Options: options, values: map[string]token.Credentials{}}
	steps := append([]step{{name: "settings", run: func(context.Context) Finding { return Finding{Status: Pass} }}}, c.secretSteps()...)
	results := map[string]Result{}
	for result := range c.walk(t.Context(), steps) {
		results[result.Step] = result
		public := fmt.Sprint(result.Found, result.Class, result.Remedy)
		if strings.Contains(public, "canary") {
			t.Errorf("%s tells everybody: %s", result.Step, public)
		}
		if result.Status == Fail && (result.Class != "secret_unavailable" || result.Found == "" || result.Remedy == "" || result.Cause == "") {
			t.Errorf("%s fails without saying enough: %+v", result.Step, result.Finding)
		}
	}
	return results
}

func wantFinding(t *testing.T, what string, got Finding, status Status, found string) {
	t.Helper()
	if got.Status != status || got.Found != found {
		t.Errorf("%s: %s %q, want %s %q", what, got.Status, got.Found, status, found)
	}
	if got.Status == Warn && got.Remedy == "" {
		t.Errorf("%s: a warning without a remedy", what)
	}
}

const (
	week     = 7 * day
	goodText = "a-token-long-enough-0123456789"
)

func TestWhatIsSaidOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unlisted := token.NewSecret(goodText).WithOrigin(token.Origin{Version: longName, Created: time.Now().Add(-week), Unlisted: true})
		for name, test := range map[string]struct {
			setting, source string
			value           token.Secret
			status          Status
			found           string
		}{
			"vault":            {Inbound, inVault, value(goodText, 12*day, 80*day), Pass, "from the key vault, 12 days old, expires in 80 days"},
			"without an end":   {Outbound, inVault, value(goodText, day, 0), Pass, "from the key vault, 1 day old"},
			"made just now":    {Inbound, inVault, value(goodText, 0, 0), Pass, "from the key vault, less than a day old"},
			"made in future":   {Inbound, inVault, value(goodText, -day, 0), Pass, "from the key vault, less than a day old"},
			"file":             {Inbound, inFile, value(goodText, 2*day-1, 0), Pass, "from a file, 1 day old"},
			"environment":      {Inbound, "env:ENTRA_CANARY", token.NewSecret(goodText), Pass, "from the environment"},
			"plain":            {Inbound, "plain:…", token.NewSecret(goodText), Pass, "from the settings"},
			"not soon":         {Inbound, inVault, value(goodText, week, 30*day+1), Pass, "from the key vault, 7 days old, expires in 30 days"},
			"soon":             {Inbound, inVault, value(goodText, week, 30*day), Warn, "from the key vault, 7 days old, expires in 30 days"},
			"today":            {Outbound, inVault, value(goodText, week, time.Hour), Warn, "from the key vault, 7 days old, expires in less than a day"},
			"over":             {Outbound, inVault, value(goodText, week, -3*day), Warn, "from the key vault, 7 days old, expired 3 days ago"},
			"16 characters":    {Inbound, inFile, token.NewSecret(strings.Repeat("a", 16)), Pass, "from a file"},
			"15 characters":    {Inbound, inFile, token.NewSecret(strings.Repeat("a", 15)), Warn, "from a file, shorter than 16 characters"},
			"256 characters":   {Inbound, inFile, token.NewSecret(strings.Repeat("a", 256)), Pass, "from a file"},
			"257 characters":   {Inbound, inFile, token.NewSecret(strings.Repeat("a", 257)), Warn, "from a file, longer than 256 characters"},
			"long for Entra":   {Outbound, inFile, token.NewSecret(strings.Repeat("a", 2000)), Pass, "from a file"},
			"short, backend's": {Outbound, inFile, token.NewSecret("password"), Warn, "from a file"},
			"unlisted":         {Inbound, inVault, unlisted, Warn, "from the key vault, 7 days old, only its current version counts"},
		} {
			results := readAll(t, Options{Secrets: []Secret{{Setting: test.setting, Source: test.source, Read: reading(test.value)}}})
			got := results[secretStep(test.setting)].Finding
			wantFinding(t, name, got, test.status, test.found)
			if text := fmt.Sprint(got); strings.Contains(text, test.value.Reveal()) {
				t.Errorf("%s: the value is in %s", name, text)
			}
		}
	})
}

func TestWhatIsWrongIsForWhoSeesTheInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := reading(value("password", week, 3*day))
		results := readAll(t, Options{Secrets: []Secret{{Setting: Inbound, Source: inFile, Read: read}, {Setting: Outbound, Source: inFile, Read: read}}})
		got := results["secret BACKEND_TOKEN"]
		if !strings.HasPrefix(got.Cause, "it is shorter than 16 characters; ENTRA_TOKEN and") || strings.Count(got.Remedy, random) != 1 {
			t.Errorf("%+v", got)
		}
		public := Report{Steps: []Result{got}}.Public().Steps[0]
		wantFinding(t, "for everybody", public.Finding, Warn, "from a file, 7 days old, expires in 3 days")
		if public.Cause != "" || public.Details != nil || strings.Contains(public.Remedy, random) {
			t.Errorf("%+v", public)
		}
	})
}

// Where a whole header was copied, the call has the word twice.
func TestTokensWithTheirScheme(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			setting, auth, text string
			want                Status
		}{
			{Inbound, "X-Api-Key", "Bearer " + goodText, Warn},
			{Outbound, "", "bearer " + goodText, Warn},
			{Outbound, "X-Api-Key", "Bearer " + goodText, Pass},
			{Inbound, "", "Bearer" + goodText, Pass},
			{Inbound, "", goodText + " Bearer", Pass},
		} {
			scheme := proxy.Scheme{Header: test.auth}
			results := readAll(t, Options{
				Present: scheme.Present,
				Secrets: []Secret{{Setting: test.setting, Source: inFile, Read: reading(token.NewSecret(test.text))}},
			})
			if got := results[secretStep(test.setting)]; got.Status != test.want || got.Status == Warn && !strings.Contains(got.Remedy, "without the word Bearer") {
				t.Errorf("%+v: %+v", test, got)
			}
		}
	})
}

// A secret that cannot be read is one of a name, for who sees the inside.
func TestSourceOfAFailedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := readAll(t, Options{Secrets: []Secret{{Setting: Inbound, Source: inFile, Read: failing(errors.New("open file: no such file or directory"))}}})
		if got := results["secret ENTRA_TOKEN"]; got.Status != Fail || !slices.Equal(got.Details, []string{"source: " + inFile}) {
			t.Errorf("%+v", got)
		}
	})
}

// Each value that counts is described, and none is shown.
func TestDetailsOfASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is midnight, on 1 January 2000
		first, second := value(goodText, 12*day, 80*day), value("before-"+goodText, 90*day, -day)
		results := readAll(t, Options{
			Vault: good(), Secrets: []Secret{{Setting: Inbound, Source: inVault, InVault: true, Read: reading(first, second, token.NewSecret("third"))}},
		})
		want := []string{
			"source: keyvault:name-canary",
			"first: version version-canary, created 1999-12-20T00:00:00Z (12 days old), expires 2000-03-21T00:00:00Z (in 80 days), " + first.String(),
			"beside it: version version-canary, created 1999-10-03T00:00:00Z (90 days old), expired 1999-12-31T00:00:00Z (1 day ago), " + second.String(),
			"beside it: " + token.NewSecret("third").String(),
		}
		if got := results["secret ENTRA_TOKEN"].Details; strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		got := fmt.Sprint(results["identity"].Details)
		if got != "[asked for: the system-assigned managed identity the token names: client id id-canary]" {
			t.Errorf("identity: %s", got)
		}
		wantFinding(t, "identity", results["identity"].Finding, Pass, "a token for the key vault")
		wantFinding(t, "vault", results["vault"].Finding, Pass, "it answers, and asks for a token")
	})
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	unusable := fmt.Errorf("%w: the value is empty, name-canary", token.ErrUnusable)
	withdrawn := fmt.Errorf("%w: the version is disabled, name-canary", token.ErrWithdrawn)
	away := fmt.Errorf("%w: key vault answered 503, name-canary", token.ErrAway)
	other := errors.New("key vault answered 404, name-canary")
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			secret Secret
			found  string
			remedy string // a part of it
		}{
			"no token":          {Secret{Setting: Inbound, Source: inVault, Read: failing(unusable)}, "what is kept in the key vault is not what it should be", "bare token"},
			"no token, backend": {Secret{Setting: Outbound, Source: inFile, Read: failing(unusable)}, "what is kept in a file is not what it should be", "password"},
			"no bundle":         {Secret{Setting: BackendCA, Source: inVault, Read: reading(token.NewSecret("canary"))}, "what is kept in the key vault is not what it should be", "authority"},
			"no certificate":    {Secret{Setting: BackendCert, Source: inFile, Read: reading(token.NewSecret("canary"))}, "what is kept in a file is not what it should be", "private key"},
			"withdrawn":         {Secret{Setting: Inbound, Source: inVault, Read: failing(withdrawn)}, "no version of it in the key vault counts", "enable"},
			"away":              {Secret{Setting: Inbound, Source: inVault, Read: failing(away)}, "the key vault does not answer", "try again"},
			"refused":           {Secret{Setting: Inbound, Source: inVault, InVault: true, Read: failing(other)}, "it cannot be read from the key vault", "Key Vault Secrets User"},
			"no file":           {Secret{Setting: Inbound, Source: inFile, Read: failing(other)}, "it cannot be read from a file", "check that it is there"},
			"silent":            {Secret{Setting: Inbound, Source: inVault, Read: silentUntilTheEnd}, "the key vault did not answer in time", "slow or silent"},
			"silent pipe":       {Secret{Setting: BackendCA, Source: inFile, Read: failing(fmt.Errorf("read file: %w", os.ErrDeadlineExceeded))}, "a file did not answer in time", "slow or silent"},
			"silent file":       {Secret{Setting: BackendCA, Source: inFile, Read: silentUntilTheEnd}, "a file did not answer in time", "slow or silent"},
		} {
			results := readAll(t, Options{Vault: good(), Secrets: []Secret{test.secret}})
			got := results[secretStep(test.secret.Setting)]
			wantFinding(t, name, got.Finding, Fail, test.found)
			if !strings.Contains(got.Remedy, test.remedy) || got.Took > secretLimit {
				t.Errorf("%s: remedy %q after %v", name, got.Remedy, got.Took)
			}
		}
	})
}

func TestVaultThatCannotBeUsed(t *testing.T) {
	away, other := fmt.Errorf("%w: name-canary", token.ErrAway), errors.New("name-canary")
	silent := func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("name-canary")
	}
	asWhom := func(f func(context.Context) error) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return "", f(ctx) }
	}
	fails := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			identity, reach func(context.Context) error
			step, found     string
		}{
			"no identity":       {fails(other), fails(nil), "identity", "no token for the key vault"},
			"away identity":     {fails(away), fails(nil), "identity", "the identity endpoint did not answer in time"},
			"silent identity":   {silent, fails(nil), "identity", "the identity endpoint did not answer in time"},
			"refusing vault":    {fails(nil), fails(other), "vault", "the key vault refuses calls from here, or is none"},
			"unreachable vault": {fails(nil), fails(away), "vault", "the key vault cannot be reached, or fails"},
			"silent vault":      {fails(nil), silent, "vault", "the key vault did not answer in time"},
		} {
			vault := &Vault{Identity: asWhom(test.identity), Reach: test.reach}
			results := readAll(t, Options{Vault: vault, Secrets: []Secret{
				{Setting: Inbound, Source: inVault, InVault: true, Read: reading(token.NewSecret(goodText))},
				{Setting: Outbound, Source: inFile, Read: reading(token.NewSecret("other-" + goodText))},
			}})
			wantFinding(t, name, results[test.step].Finding, Fail, test.found)
			wantFinding(t, name, results["secret ENTRA_TOKEN"].Finding, Skip, "needs "+test.step)
			wantFinding(t, name, results["secret BACKEND_TOKEN"].Finding, Pass, "from a file")
			if took := results[test.step].Took; took > vaultLimit {
				t.Errorf("%s: %v", name, took)
			}
		}
	})
}

// Steps of the vault are there only if a secret is.
func TestNoVaultNoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := readAll(t, Options{Secrets: []Secret{{Setting: Inbound, Source: inFile, Read: reading(token.NewSecret(goodText))}}})
		if _, ok := results["identity"]; ok || len(results) != 2 {
			t.Errorf("%v", results)
		}
	})
}

// Whoever holds one token must not learn from the check that it is the other, too.
func TestOneTokenForBoth(t *testing.T) {
	const said = "ENTRA_TOKEN and BACKEND_TOKEN hold the same value, so that whoever has the one can do without the proxy"
	same, other := token.NewSecret(goodText), token.NewSecret("other-"+goodText)
	slowly := func(values ...token.Secret) func(context.Context) (token.Credentials, error) {
		return func(context.Context) (token.Credentials, error) {
			time.Sleep(4 * time.Second)
			return values, nil
		}
	}
	type source = func(context.Context) (token.Credentials, error)
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			entra, backend     source
			entraIn, backendIn bool // the vault
			judge              string
			same               bool
		}{
			"both in files":        {reading(same), reading(same), false, false, Outbound, true},
			"both in the vault":    {slowly(same), reading(same), true, true, Outbound, true},
			"the other way round":  {reading(same), slowly(same), true, true, Outbound, true},
			"Entra's in the vault": {reading(same), slowly(same), true, false, Inbound, true},
			"the backend's there":  {slowly(same), reading(same), false, true, Outbound, true},
			"one that was before":  {reading(other, same), reading(same), false, false, Outbound, true},
			"two":                  {reading(other), reading(same), false, false, Outbound, false},
			"one cannot be read":   {failing(errors.New("gone")), reading(same), false, false, Outbound, false},
			"one is silent":        {silentUntilTheEnd, reading(same), false, false, Outbound, false},
		} {
			results := readAll(t, Options{Vault: good(), Secrets: []Secret{
				{Setting: Inbound, Source: "file", InVault: test.entraIn, Read: test.entra},
				{Setting: Outbound, Source: "file", InVault: test.backendIn, Read: test.backend},
			}})
			for _, setting := range []string{Inbound, Outbound} {
				got := results[secretStep(setting)]
				if warned := got.Status == Warn && got.Cause == said && got.Found == "from a file"; warned != (test.same && setting == test.judge) {
					t.Errorf("%s: %+v", name, got)
				}
			}
			judge := results[secretStep(test.judge)]
			if judge.Status == Skip || judge.Status == Fail {
				t.Errorf("%s: %+v", name, judge)
			}
			public := Report{Steps: []Result{judge}}.Public().Steps[0]
			wantFinding(t, name+", for everybody", public.Finding, Pass, "from a file")
		}
	})
}

// What comes after the end of its step leaves nothing to others, and keeps nobody
// waiting.
func TestLateSecretIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := func(context.Context) (token.Credentials, error) {
			time.Sleep(time.Minute)
			return token.Credentials{token.NewSecret(goodText)}, nil
		}
		secrets := []Secret{{Setting: Inbound, Source: inFile, Read: deaf}, {Setting: Outbound, Source: inFile, Read: reading(token.NewSecret(goodText))}}
		c := &check{Options: Options{Log: zap.NewNop(), Secrets: secrets}, values: map[string]token.Credentials{}}
		want := map[string]Status{"secret ENTRA_TOKEN": Fail, "secret BACKEND_TOKEN": Pass}
		for result := range c.walk(t.Context(), c.secretSteps()) {
			if result.Status != want[result.Step] || result.Took > secretLimit+overrun {
				t.Errorf("%+v", result)
			}
		}
		time.Sleep(2 * time.Minute)
		if got := c.value(Inbound); got != nil {
			t.Errorf("%v was kept", got)
		}
	})
}
