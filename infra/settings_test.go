//go:build cgo

package infra_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the Functions host reads, and not the binary.
var platformNames = []string{
	"APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING",
	"AzureWebJobsStorage__accountName", "AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential",
}

// What Flex Consumption refuses, or lets break the app (az and the portal add
// some of it elsewhere).
var forbidden = regexp.MustCompile(`^(AzureWebJobsStorage|FUNCTIONS_.*|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|WEBSITES?_.*|TZ)$`)

// settingRow is a row of the README's table, which is generated from the type
// that the binary parses its environment with.
var settingRow = regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|")

func TestEverySettingIsKnownAndReachable(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<!-- settings:")
	table, _, closed := strings.Cut(rest, "<!-- end of settings -->")
	if !found || !closed {
		t.Fatal("the README has no generated table of settings")
	}
	want := append(slices.Clone(platformNames), "GOMEMLIMIT") // the Go runtime's
	for _, match := range settingRow.FindAllStringSubmatch(table, -1) {
		want = append(want, match[1])
	}
	slices.Sort(want)
	bicep, _ := both(t) // Terraform has the same, says TestSameAppSettings
	have := slices.AppendSeq(slices.Clone(bicep.settings), maps.Keys(bicepSettings(t, bicep)))
	slices.Sort(have)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("settings of the binary and the platform (-) and those of the templates (+):\n%s", diff)
	}
	for _, name := range have {
		if forbidden.MatchString(name) {
			t.Errorf("the templates set %s", name)
		}
	}
}

// What the templates set is what the binary takes, in Azure. What they compute
// has an example here; what no template can say is not tried.
func TestTheBinaryTakesTheSettings(t *testing.T) {
	bicep, _ := both(t)
	certificate, err := os.ReadFile("bicep/examples/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]string{
		"AZURE_CLIENT_ID": "22222222-2222-2222-2222-222222222222", "KEY_VAULT_URL": "https://127.0.0.1:1", // nobody is there
		"BACKEND_URL": "https://scim.contoso.com/scim/v2", "BACKEND_AUTH": "basic", "NORMALIZE": "all", "SCIM_PATH": "/scim",
		"PUBLIC_URL": "https://scim.contoso.com", "BACKEND_CA": "plain:" + base64.StdEncoding.EncodeToString(certificate),
		"BACKEND_USERNAME": "entra", "BACKEND_SERVER_NAME": "scim.contoso.com", "GROUPS": "stub", "DROP_ATTRIBUTES": "title",
		"BACKEND_ALLOW_HTTP": "false", "BACKEND_TIMEOUT": "40s", "SECRET_REFRESH": "1m", "SECRET_STALE": "1h",
		"BOOLEAN_ATTRIBUTES": "urn:ietf:params:scim:schemas:extension:acme:2.0:User:isContractor", "EXTENSION_SCHEMAS": "urn:acme:scim:schemas:1.0:Employee",
		"INTEGER_ATTRIBUTES":     "urn:ietf:params:scim:schemas:extension:acme:2.0:User:badgeNumber",
		"MULTIVALUED_ATTRIBUTES": "urn:ietf:params:scim:schemas:extension:acme:2.0:User:sites", "MAX_BODY": "2MiB",
		"MAX_HEADER": "32KiB", "MAX_CONCURRENT": "500", "GOMEMLIMIT": "192MiB", "CHECK_DETAILS": "false", "LOG_LEVEL": "info",
	}
	environment := []string{"FUNCTIONS_CUSTOMHANDLER_PORT=0", "WEBSITE_SITE_NAME=contoso-scim", "WEBSITE_HOSTNAME=contoso-scim.azurewebsites.net",
		"IDENTITY_ENDPOINT=http://127.0.0.1:1", "IDENTITY_HEADER=none"}
	emitted := bicepSettings(t, bicep)
	for _, name := range bicep.settings {
		emitted[name] = "settings"
	}
	for name, value := range emitted {
		literal := strings.HasPrefix(value, "'") && !strings.Contains(value, "${")
		switch example, known := examples[name]; {
		case slices.Contains(platformNames, name):
		case literal:
			environment = append(environment, name+"="+unquote(value))
		case known:
			environment = append(environment, name+"="+example)
		default:
			t.Errorf("there is no example for %s", name)
		}
	}
	log := serve(t, environment)
	if !strings.Contains(log, `"msg":"listening"`) || !strings.Contains(log, `"msg":"settings in effect"`) {
		t.Errorf("the binary did not start as it should:\n%s", log)
	}
	if strings.Contains(log, "bad setting") {
		t.Errorf("the binary refuses what the templates set:\n%s", log)
	}
}

// serve runs the real binary until it listens, and returns its log.
func serve(t *testing.T, environment []string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "handler")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "../handler").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, binary)
	command.Env = environment
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), `"msg":"listening"`) {
			if err := command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
	return log.String()
}
