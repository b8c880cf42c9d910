package e2e

import (
	"slices"
	"strings"
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
)

// A backend that is not there is an error of its own kind in the log, and for
// Entra a failed Test Connection that shows nothing of what lies behind.
func TestBackendsOutOfReach(t *testing.T) {
	for setting, classes := range map[string][]string{
		"https://127.0.0.1:1/scim":         {"refused"},
		"https://scim.corp.invalid/scim":   {"dns", "dns_no_answer"}, // as this machine has a DNS server or not
		"https://169.254.169.254/scim":     {"settings"},
		"https://[::ffff:a9fe:a9fe]/scim":  {"settings"},
		"https://[64:ff9b::a9fe:a9fe]/x/y": {"settings"},
	} {
		w := newWorld(t, "strict", "BACKEND_URL="+setting)
		w.troubled = true
		job := w.job(w.client(true), w.people(directory.Options{Seed: 1, Users: 1}), nil)
		detail, err := job.TestConnection(t.Context())
		if err == nil {
			t.Errorf("%s: Test Connection succeeds: %v", setting, detail)
		}
		list := w.log.exchanges()
		if len(list) == 0 || !slices.Contains(classes, list[0].Class) {
			t.Errorf("%s: the log has %+v, want class %v", setting, list, classes)
		}
		if text := err.Error(); strings.Contains(text, "169.254") || strings.Contains(text, "corp.invalid") || strings.Contains(text, "a9fe") {
			t.Errorf("%s: Entra sees %s", setting, text)
		}
	}
}
