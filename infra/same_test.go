//go:build cgo

package infra_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// both reads the two templates; the modules count as part of the first.
func both(t *testing.T) (bicep, terraform *template) {
	t.Helper()
	bicep = readBicep(t, "bicep/main.bicep")
	modules, err := filepath.Glob("bicep/modules/*.bicep")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range modules {
		module := readBicep(t, file)
		bicep.resources = append(bicep.resources, module.resources...)
		bicep.settings = append(bicep.settings, module.settings...)
		maps.Copy(bicep.variables, module.variables)
	}
	return bicep, readTerraform(t)
}

func TestSameParameters(t *testing.T) {
	bicep, terraform := both(t)
	delete(terraform.parameters, "resource_group_name") // az and azd are told it apart
	have := map[string]string{}
	for name, p := range terraform.parameters {
		have[name] = initial(p.value)
	}
	want := map[string]string{}
	for name, p := range bicep.parameters {
		want[snake(name)] = initial(p.value)
		if p.description == "" || terraform.parameters[snake(name)].description == "" {
			t.Errorf("the parameter %s lacks a description", name)
		}
	}
	want["location"] = "" // that of the group, in both
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("parameters and defaults of Bicep (-) and Terraform (+):\n%s", diff)
	}
}

// initial makes one of what the languages write for "no value".
func initial(value string) string {
	value = strings.ReplaceAll(value, "'", `"`)
	if slices.Contains([]string{`""`, "null", "{}", "[]"}, value) {
		return ""
	}
	return value
}

// snake is the name of a Bicep parameter in Terraform.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestSameOutputs(t *testing.T) {
	bicep, terraform := both(t)
	var want []string
	for name, description := range bicep.outputs {
		want = append(want, snake(name))
		if description == "" || terraform.outputs[snake(name)] == "" {
			t.Errorf("the output %s lacks a description", name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(terraform.outputs))); diff != "" {
		t.Errorf("outputs of Bicep (-) and Terraform (+):\n%s", diff)
	}
}

// The names of both are those of the contract with the binary, so they are read
// from the templates and not from a list here.
func bicepSettings(t *testing.T, bicep *template) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for _, variable := range []string{"platformSettings", "proxySettings"} {
		for i := range uint(50) {
			if name := bicep.variables[variable][number(i)+".name"]; name != "" {
				settings[unquote(name)] = bicep.variables[variable][number(i)+".value"]
			}
		}
	}
	for variable, values := range bicep.variables {
		if strings.HasSuffix(variable, "Setting") {
			settings[unquote(values["name"])] = values["value"]
		}
	}
	if len(settings) < 12 {
		t.Fatalf("only %d app settings were found in Bicep", len(settings))
	}
	return settings
}

func terraformSettings(t *testing.T, terraform *template) map[string]string {
	t.Helper()
	settings := maps.Clone(terraform.variables["app_settings"])
	if settings[""] != "var.settings" {
		t.Errorf("app_settings adds %q to what it names, not var.settings", settings[""])
	}
	delete(settings, "")
	return settings
}

// A text is the same in both; what is taken from a parameter or resource is
// checked by the plan in terraform/tests.
func TestSameAppSettings(t *testing.T) {
	bicep, terraform := both(t)
	want, have := bicepSettings(t, bicep), terraformSettings(t, terraform)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(have))); diff != "" {
		t.Errorf("app settings of Bicep (-) and Terraform (+):\n%s", diff)
	}
	written := strings.NewReplacer("${clientId}", "${azurerm_user_assigned_identity.proxy.client_id}", "base64(backendCa)", "base64encode(var.backend_ca)",
		"${instanceMemoryMB * ", "${var.instance_memory_mb * ")
	for name, value := range want {
		if strings.HasPrefix(value, "'") && written.Replace(unquote(value)) != unquoteHCL(have[name]) {
			t.Errorf("%s is %s in Bicep and %s in Terraform", name, value, have[name])
		}
	}
	var keys []string
	for i := range uint(len(terraform.variables["allowed_settings"])) {
		keys = append(keys, unquoteHCL(terraform.variables["allowed_settings"][number(i)]))
	}
	slices.Sort(keys)
	slices.Sort(bicep.settings)
	if diff := cmp.Diff(bicep.settings, keys); diff != "" {
		t.Errorf("keys of the parameter settings in Bicep (-) and Terraform (+):\n%s", diff)
	}
}

var guid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// roles are the GUIDs of the files that assign any.
func roles(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, guid.FindAllString(string(text), -1)...)
	}
	slices.Sort(found)
	return found
}

func TestSameRoles(t *testing.T) {
	// Key Vault Secrets User, Monitoring Metrics Publisher, Storage Blob Data Owner.
	want := []string{"3913510d-42f4-4e42-8a64-420c390055eb", "4633458b-17de-408a-b874-0445c86b69e6", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"}
	for _, pattern := range []string{"bicep/modules/*.bicep", "terraform/*.tf"} {
		if diff := cmp.Diff(want, roles(t, pattern)); diff != "" {
			t.Errorf("roles in %s (+):\n%s", pattern, diff)
		}
	}
}

func TestSameRestrictions(t *testing.T) {
	bicep, terraform := both(t)
	entra := map[string]string{}
	for key, value := range bicep.variables["entraRule"] {
		entra["0."+key] = strings.ReplaceAll(value, "'", `"`)
	}
	have := maps.Clone(terraform.variables["site_rules"])
	if rest := have[""]; rest != "local.admin_rules" {
		t.Errorf("site_rules adds %q", rest)
	}
	delete(have, "")
	if diff := cmp.Diff(entra, have); diff != "" {
		t.Errorf("the rule for Entra in Bicep (-) and Terraform (+):\n%s", diff)
	}
	if diff := cmp.Diff(bare(bicep.variables["adminRules"]), bare(terraform.variables["admin_rules"])); diff != "" {
		t.Errorf("the rules for admins in Bicep (-) and Terraform (+):\n%s", diff)
	}
}

// bare is a rule without what the languages write differently.
func bare(rule map[string]string) map[string]string {
	same := strings.NewReplacer("'", `"`, "index", "i", "range", "cidr")
	out := map[string]string{}
	for key, value := range rule {
		out[key] = same.Replace(value)
	}
	return out
}

// Alerts and panels come from the same two files in both; Bicep has to name each
// query besides.
func TestBicepNamesEveryQuery(t *testing.T) {
	bicep, _ := both(t)
	for variable, folder := range map[string]string{"alertQueries": "alerts", "chartQueries": "workbook"} {
		files, err := filepath.Glob("monitor/" + folder + "/*.kql")
		if err != nil || len(files) == 0 {
			t.Fatalf("no queries in %s (%v)", folder, err)
		}
		want := map[string]string{}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".kql")
			want[name] = "loadTextContent('../../" + file + "')"
		}
		if diff := cmp.Diff(want, bicep.variables[variable]); diff != "" {
			t.Errorf("queries in %s (-) and in Bicep (+):\n%s", folder, diff)
		}
	}
}

// An unregistered provider fails in the middle of a deployment.
func TestTerraformRegistersEveryProvider(t *testing.T) {
	text, err := os.ReadFile("terraform/provider.tf")
	if err != nil {
		t.Fatal(err)
	}
	bicep, _ := both(t)
	want := map[string]bool{"Microsoft.App": true} // of the subnet's delegation
	for _, r := range bicep.resources {
		if namespace, _, found := strings.Cut(r.kind, "/"); found && namespace != "Microsoft.Authorization" {
			want[namespace] = true
		}
	}
	for namespace := range want {
		if !strings.Contains(string(text), `    "`+namespace+`",`) {
			t.Errorf("Terraform does not register %s", namespace)
		}
	}
}
