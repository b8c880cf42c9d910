package infra_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeAz stands for the Azure CLI: it notes its arguments and answers as a
// subscription would that never saw Microsoft.App.
const fakeAz = `#!/bin/sh
printf 'az %s\n' "$*" >>"$CALLS"
case "$*" in
  "account show"*) exit "${SIGNED_OUT:-0}" ;;
  "provider "*) if [ -n "$GROUP_ONLY" ]; then echo AuthorizationFailed >&2; exit 1; fi ;;
esac
case "$*" in
  "provider show --namespace Microsoft.App "*) echo NotRegistered ;;
  "provider show"*) echo Registered ;;
  "group exists"*) echo "${GROUP_EXISTS:-true}" ;;
  *outputs.tenantUrl*) echo "https://contoso-scim.azurewebsites.net/scim?aadOptscim062020" ;;
  *outputs.secretCommands*) printf '%s\n' 'first "$(command)"' "second | tr -d '\n'" ;;
  *outputs.publishCommand*) echo "make publish APP=contoso-scim RG=rg-scim" ;;
  "resource show"*) [ -z "$NO_APP" ] || exit 3; echo contoso-scim.scm.azurewebsites.net ;;
esac
`

const fakeFunc = `#!/bin/sh
printf 'func %s in %s as %s\n' "$*" "$(basename "$PWD")" "$FUNCTIONS_WORKER_RUNTIME" >>"$CALLS"
`

const fakeCurl = `#!/bin/sh
for url; do :; done
printf 'curl %s\n' "$url" >>"$CALLS"
[ -z "$OFFLINE" ] || exit 28
if [ -n "$FORBIDDEN" ]; then printf 'HTTP/1.1 403 Ip Forbidden\r\nx-ms-forbidden-ip: %s\r\n\r\n' "$FORBIDDEN"
else printf 'HTTP/1.1 401 Unauthorized\r\n\r\n'; fi
`

// A delivery is a copy of the scripts in a tree of their own, with doubles of
// the programs that they call, and nothing else on PATH but what a shell needs.
type delivery struct{ root, calls string }

func newDelivery(t *testing.T, programs map[string]string) delivery {
	t.Helper()
	d := delivery{root: t.TempDir()}
	d.calls = filepath.Join(d.root, "calls")
	for name, text := range map[string]string{
		"infra/bicep/main.bicepparam": "", "my.bicepparam": "", "dist/host.json": "{}", "dist.zip": "",
		"infra/deploy.sh": script(t, "deploy.sh"), "infra/publish.sh": script(t, "publish.sh"), "infra/outputs.sh": script(t, "outputs.sh"),
	} {
		d.write(t, name, text, 0o600)
	}
	if err := os.Mkdir(filepath.Join(d.root, "path"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range programs {
		d.write(t, "path/"+name, text, 0o700)
	}
	for _, name := range []string{"sh", "bash", "dirname", "basename", "tr", "awk", "sed"} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(program, filepath.Join(d.root, "path", name)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d delivery) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(d.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func script(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a script with the variables given. It returns what it printed, the
// calls that it made, and whether it succeeded.
func (d delivery) run(t *testing.T, variables []string, name string, arguments ...string) (output string, calls []string, ok bool) {
	t.Helper()
	if err := os.RemoveAll(d.calls); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(d.root, "path", "bash"), append([]string{filepath.Join(d.root, name)}, arguments...)...)
	command.Dir = t.TempDir() // from anywhere
	command.Env = append([]string{"PATH=" + filepath.Join(d.root, "path"), "CALLS=" + d.calls}, variables...)
	printed, err := command.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	noted, readErr := os.ReadFile(d.calls)
	if readErr == nil {
		calls = strings.Split(strings.TrimSuffix(string(noted), "\n"), "\n")
	}
	return string(printed), calls, err == nil
}

func TestDeploy(t *testing.T) {
	d := newDelivery(t, map[string]string{"az": fakeAz})
	output, calls, ok := d.run(t, []string{"GROUP_EXISTS=false"}, "infra/deploy.sh", "rg-scim", "westeurope", "my.bicepparam")
	var want []string
	want = append(want, "az account show --output none")
	for _, provider := range []string{"Web", "App", "KeyVault", "Network", "Insights", "OperationalInsights", "ManagedIdentity", "Storage", "AlertsManagement"} {
		want = append(want, "az provider show --namespace Microsoft."+provider+" --query registrationState --output tsv")
		if provider == "App" {
			want = append(want, "az provider register --namespace Microsoft.App --wait")
		}
	}
	show := "az deployment group show --resource-group rg-scim --name entra-scim-proxy --query properties.outputs."
	want = append(want,
		"az group exists --name rg-scim --output tsv",
		"az group create --name rg-scim --location westeurope --output none",
		"az deployment group create --resource-group rg-scim --name entra-scim-proxy --parameters my.bicepparam --output none",
		show+"tenantUrl.value --output tsv", show+"secretCommands.value[] --output tsv", show+"publishCommand.value --output tsv")
	if diff := cmp.Diff(want, calls); diff != "" || !ok {
		t.Errorf("succeeded %t: %s\n%s", ok, output, diff)
	}
	for _, text := range []string{"registering Microsoft.App", "  https://contoso-scim.azurewebsites.net/scim?aadOptscim062020\n",
		"  first \"$(command)\"\n  second | tr -d '\\n'\n", "  make publish APP=contoso-scim RG=rg-scim\n"} {
		if !strings.Contains(output, text) {
			t.Errorf("%q is not in %q", text, output)
		}
	}
}

func TestDeployIntoAGroupThatExists(t *testing.T) {
	d := newDelivery(t, map[string]string{"az": fakeAz})
	output, calls, ok := d.run(t, nil, "infra/deploy.sh", "rg-scim", "", "")
	text := strings.Join(calls, "\n")
	if !ok || strings.Contains(text, "group create --name") || !strings.Contains(text, "--parameters infra/bicep/main.bicepparam") {
		t.Errorf("succeeded %t: %s\n%s", ok, output, text)
	}
}

// Rights on a group alone do not let anybody look at the subscription's providers.
func TestDeployWithRightsOnTheGroupOnly(t *testing.T) {
	d := newDelivery(t, map[string]string{"az": fakeAz})
	output, calls, ok := d.run(t, []string{"GROUP_ONLY=1"}, "infra/deploy.sh", "rg-scim", "", "")
	if !ok || !strings.Contains(strings.Join(calls, "\n"), "deployment group create") ||
		!strings.Contains(output, "runs: az provider register --namespace Microsoft.App\n") {
		t.Errorf("succeeded %t: %s", ok, output)
	}
}

func TestPublish(t *testing.T) {
	scm := []string{
		"az account show --output none",
		"az resource show --resource-group rg-scim --name contoso-scim --resource-type Microsoft.Web/sites " +
			"--query properties.hostNameSslStates[?hostType=='Repository'].name | [0] --output tsv",
		"curl https://contoso-scim.scm.azurewebsites.net/",
	}
	for name, test := range map[string]struct {
		programs  map[string]string
		variables []string
		upload    string
	}{
		"with Core Tools": {
			map[string]string{"az": fakeAz, "curl": fakeCurl, "func": fakeFunc}, nil,
			"func azure functionapp publish contoso-scim in dist as custom",
		},
		"with az": {
			map[string]string{"az": fakeAz, "curl": fakeCurl}, nil,
			"az functionapp deployment source config-zip --resource-group rg-scim --name contoso-scim --src dist.zip --output none",
		},
		"without an answer to whether it is let in": {
			map[string]string{"az": fakeAz, "curl": fakeCurl}, []string{"OFFLINE=1"},
			"az functionapp deployment source config-zip --resource-group rg-scim --name contoso-scim --src dist.zip --output none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDelivery(t, test.programs)
			output, calls, ok := d.run(t, test.variables, "infra/publish.sh", "contoso-scim", "rg-scim")
			if diff := cmp.Diff(append(scm[:3:3], test.upload), calls); diff != "" || !ok {
				t.Errorf("succeeded %t: %s\n%s", ok, output, diff)
			}
		})
	}
}

func TestDeliveryRefuses(t *testing.T) {
	azAndCurl := map[string]string{"az": fakeAz, "curl": fakeCurl}
	for name, test := range map[string]struct {
		programs        map[string]string
		variables       []string
		command         []string
		sentence, never string
	}{
		"deploy without RG":        {azAndCurl, nil, []string{"deploy.sh", "", "", ""}, "make deploy needs RG", "az"},
		"deploy without file":      {azAndCurl, nil, []string{"deploy.sh", "rg", "", "no.bicepparam"}, "no parameter file no.bicepparam", "az"},
		"deploy with other file":   {azAndCurl, nil, []string{"deploy.sh", "rg", "", "infra/deploy.sh"}, "PARAMS names a .bicepparam file", "az"},
		"deploy without az":        {nil, nil, []string{"deploy.sh", "rg", "", ""}, "needs the Azure CLI (az)", "az"},
		"deploy without login":     {azAndCurl, []string{"SIGNED_OUT=1"}, []string{"deploy.sh", "rg", "", ""}, "run: az login", "deployment"},
		"deploy without group":     {azAndCurl, []string{"GROUP_EXISTS=false"}, []string{"deploy.sh", "rg", "", ""}, "no resource group rg. With LOCATION", "create"},
		"publish without APP":      {azAndCurl, nil, []string{"publish.sh", "", "rg"}, "needs APP and RG", "az"},
		"publish without RG":       {azAndCurl, nil, []string{"publish.sh", "contoso-scim", ""}, "needs APP and RG", "az"},
		"publish without az":       {map[string]string{"func": fakeFunc}, nil, []string{"publish.sh", "contoso-scim", "rg"}, "needs the Azure CLI (az)", "func"},
		"publish without login":    {azAndCurl, []string{"SIGNED_OUT=1"}, []string{"publish.sh", "contoso-scim", "rg"}, "run: az login", "config-zip"},
		"publish to no app":        {azAndCurl, []string{"NO_APP=1"}, []string{"publish.sh", "contoso-scim", "rg"}, "no function app contoso-scim in resource group rg", "config-zip"},
		"publish from elsewhere":   {azAndCurl, []string{"FORBIDDEN=203.0.113.7"}, []string{"publish.sh", "contoso-scim", "rg"}, "Add 203.0.113.7/32 to adminIpRanges", "config-zip"},
		"outputs before provision": {nil, nil, []string{"outputs.sh"}, "tenantUrl: is missing", "az"},
		"outputs without commands": {nil, []string{"tenantUrl=https://contoso.com"}, []string{"outputs.sh"}, "secretCommands: is missing", "az"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDelivery(t, test.programs)
			output, calls, ok := d.run(t, test.variables, "infra/"+test.command[0], test.command[1:]...)
			if ok || !strings.Contains(output, test.sentence) {
				t.Errorf("succeeded %t: %s", ok, output)
			}
			if text := strings.Join(calls, "\n"); strings.Contains(text, test.never) {
				t.Errorf("called %s", text)
			}
		})
	}
}

// The sentence comes from the script, so it got the name as one word.
func TestMakeHandsNamesOverWhole(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "make", "-C", "..", "deploy", "RG=it's; echo owned; '", "PARAMS=none").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if text := string(output); err == nil || strings.Contains(text, "owned") || !strings.Contains(text, "found no parameter file none;") {
		t.Errorf("error %v: %s", err, text)
	}
}

func TestPublishWithoutPackage(t *testing.T) {
	for _, missing := range []string{"dist.zip", "dist/host.json"} {
		d := newDelivery(t, map[string]string{"az": fakeAz})
		if err := os.Remove(filepath.Join(d.root, missing)); err != nil {
			t.Fatal(err)
		}
		if output, _, ok := d.run(t, nil, "infra/publish.sh", "contoso-scim", "rg"); ok || !strings.Contains(output, "run: make package") {
			t.Errorf("without %s: succeeded %t: %s", missing, ok, output)
		}
	}
}

// The value is what azd and Terraform make of an array, by Go's encoder.
func TestOutputsOfAzd(t *testing.T) {
	d := newDelivery(t, nil)
	output, _, ok := d.run(t, []string{
		"tenantUrl=https://contoso-scim.azurewebsites.net/scim?aadOptscim062020",
		`secretCommands=["az x \"$(az y)\"","openssl rand -hex 32 | tr -d '\\n'","read -rs TOKEN \u0026\u0026 z \u003ca \u003eb"]`,
	}, "infra/outputs.sh")
	want := "\nTenant URL, for Entra:\n  https://contoso-scim.azurewebsites.net/scim?aadOptscim062020\n\n" +
		"The secrets, one line after the other:\n  az x \"$(az y)\"\n  openssl rand -hex 32 | tr -d '\\n'\n  read -rs TOKEN && z <a >b\n"
	if diff := cmp.Diff(want, output); diff != "" || !ok {
		t.Error(diff)
	}
}

// The secrets never pass through these scripts.
func TestDeliveryTouchesNoSecret(t *testing.T) {
	for _, name := range []string{"deploy.sh", "publish.sh", "outputs.sh"} {
		for _, text := range []string{"keyvault secret", "get-access-token", "--debug", "set -x"} {
			if strings.Contains(script(t, name), text) {
				t.Errorf("%s holds %q", name, text)
			}
		}
	}
}

// azd starts a hook's file by itself, not through a shell.
func TestAzdHookIsExecutable(t *testing.T) {
	file, err := os.Stat("outputs.sh")
	if err != nil {
		t.Fatal(err)
	}
	if file.Mode()&0o111 != 0o111 || !strings.Contains(script(t, "../azure.yaml"), "run: infra/outputs.sh\n") {
		t.Errorf("mode %v, or azure.yaml does not name it", file.Mode())
	}
}

// azd itself never asks for what the parameter file reads.
func TestAzdAsksForWhatItNeeds(t *testing.T) {
	_, hook, _ := strings.Cut(script(t, "../azure.yaml"), "  preprovision:\n")
	hook, _, _ = strings.Cut(hook, "  postprovision:\n")
	_, posix, found := strings.Cut(hook, "    posix:\n      shell: sh\n      run: |\n")
	if !found {
		t.Fatal("azure.yaml has no preprovision hook for sh")
	}
	url, ranges := "BACKEND_URL=https://scim.contoso.com", "ADMIN_IP_RANGES=203.0.113.7/32"
	for _, test := range []struct {
		variables []string
		want      string
	}{
		{nil, "BACKEND_URL is not set"}, {[]string{url}, "ADMIN_IP_RANGES is not set"}, {[]string{ranges}, "BACKEND_URL is not set"}, {[]string{url, ranges}, ""},
	} {
		command := exec.CommandContext(t.Context(), "sh", "-c", posix)
		command.Env = test.variables
		output, err := command.CombinedOutput()
		if !strings.Contains(string(output), test.want) || (err == nil) != (test.want == "") {
			t.Errorf("%q: %v\n%s", test.variables, err, output)
		}
	}
	for _, name := range []string{"BACKEND_URL", "ADMIN_IP_RANGES"} {
		if !strings.Contains(hook, "if (-not $env:"+name+")") {
			t.Errorf("the hook for Windows does not ask for %s", name)
		}
	}
}
