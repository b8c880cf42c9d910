package check_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"example.com/entra-scim-proxy/proxy/check"
)

func TestReportForPeople(t *testing.T) {
	report := check.Report{Result: check.Fail, Took: 1234 * time.Millisecond, Recommended: map[string]string{"NORMALIZE": "all", "GROUPS": "stub"}}
	report.Steps = []check.Result{
		{Step: "settings", Finding: check.Finding{Status: check.Pass, Found: "usable"}},
		{Step: "tls", Took: 12345 * time.Microsecond, Finding: check.Finding{
			Status: check.Fail, Class: "tls_expired", Found: "no TLS connection", Cause: "it expired", Remedy: "renew it",
			Details: []string{"subject \x1b[31mred\r\n\u202e", "and more"}, Rules: "op-case",
		}},
		{Step: "users", Finding: check.Finding{Status: check.Skip, Found: "needs tls"}},
		{Step: "groups", Finding: check.Finding{Status: check.Warn}},
	}
	for name, test := range map[string]struct {
		colour bool
		want   string
	}{
		"plain": {false, `
pass  settings                         0 ms  usable
fail  tls                             12 ms  no TLS connection (tls_expired)
            cause: it expired
            to do: renew it
            rules: op-case
            - subject �[31mred���
            - and more
skip  users                                  needs tls
warn  groups                           0 ms

Recommended:
  GROUPS=stub
  NORMALIZE=all

fail  1 passed, 1 with a warning, 1 failed, 1 skipped, in 1.2 s
`},
		"colour": {true, strings.ReplaceAll(`
^[32mpass^[0m  settings                         0 ms  usable
^[31mfail^[0m  tls                             12 ms  no TLS connection (tls_expired)
            cause: it expired
            to do: renew it
            rules: op-case
            - subject �[31mred���
            - and more
^[2mskip^[0m  users                                  needs tls
^[33mwarn^[0m  groups                           0 ms

Recommended:
  GROUPS=stub
  NORMALIZE=all

^[31mfail^[0m  1 passed, 1 with a warning, 1 failed, 1 skipped, in 1.2 s
`, "^", "\x1b")},
	} {
		var out strings.Builder
		printer := check.Printer{Out: &out, Colour: test.colour}
		for _, result := range report.Steps {
			printer.See(result)
		}
		printer.Close(report)
		if got := "\n" + out.String(); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

// Reports from two places can be compared.
func TestReportHasUniversalTime(t *testing.T) {
	text, err := json.Marshal(check.Report{Started: time.Date(2026, 1, 2, 1, 30, 0, 0, time.FixedZone("CET", 3600))})
	if err != nil || !strings.Contains(string(text), `"started":"2026-01-02T00:30:00Z"`) {
		t.Errorf("%s, %v", text, err)
	}
}
