//go:build cgo

package infra_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var (
	bicepOutput   = regexp.MustCompile(`(?m)^output (\w+) \S+ = ('.*'|concat\((?:\n  .*)+\n\))$`)
	bicepList     = regexp.MustCompile(`(?:(\w+)( == 'none')? \? )?\[([^\]]*)\](?: : \[([^\]]*)\])?`)
	interpolation = regexp.MustCompile(`\$\{([^}]+)\}`)
)

// What an admin pastes is the same to the letter, whatever is asked for.
func TestSameTextOfOutputs(t *testing.T) {
	for name, given := range map[string]struct {
		auth        string
		certificate bool
	}{
		"a token": {"bearer", false}, "neither": {"none", false}, "both": {"basic", true}, "a certificate": {"none", true},
	} {
		bicep, terraform := bicepOutputs(t, given.auth, given.certificate), terraformOutputs(t, given.auth, given.certificate)
		if diff := cmp.Diff(bicep, terraform); diff != "" {
			t.Errorf("with %s, outputs of Bicep (-) and Terraform (+):\n%s", name, diff)
		}
		want := 3
		if given.auth != "none" {
			want++
		}
		if given.certificate {
			want++
		}
		if commands := strings.Split(bicep["secret_commands"], "\n"); len(commands) != want {
			t.Errorf("with %s there are %d commands, expected %d: %q", name, len(commands), want, commands)
		}
	}
}

// bicepOutputs knows as much of Bicep as the outputs need.
func bicepOutputs(t *testing.T, auth string, certificate bool) map[string]string {
	t.Helper()
	text, err := os.ReadFile("bicep/main.bicep")
	if err != nil {
		t.Fatal(err)
	}
	template, _ := both(t)
	known := map[string]string{
		"vault.outputs.name": "kv", "vault.outputs.id": "/vaults/kv", "origin": "https://scim.contoso.com", "scimPath": "/scim",
		"appName": "contoso-scim", "resourceGroup().name": "rg-scim",
	}
	var value func(string) string
	value = func(expression string) string {
		if literal, ok := strings.CutPrefix(expression, "'"); ok {
			literal = strings.NewReplacer(`\'`, "'", `\\`, `\`).Replace(strings.TrimSuffix(literal, "'"))
			return interpolation.ReplaceAllStringFunc(literal, func(part string) string { return value(part[2 : len(part)-1]) })
		}
		if text, found := known[expression]; found {
			return text
		}
		if source := template.variables[expression][""]; source != "" {
			return value(source)
		}
		t.Fatalf("nothing is known of %s in an output of Bicep", expression)
		return ""
	}
	outputs := map[string]string{}
	for _, found := range bicepOutput.FindAllStringSubmatch(string(text), -1) {
		name, expression := snake(found[1]), found[2]
		if strings.HasPrefix(expression, "'") {
			outputs[name] = value(expression)
			continue
		}
		var lines []string
		for _, list := range bicepList.FindAllStringSubmatch(expression, -1) {
			taken := list[3]
			is := map[string]bool{"": true, "backendAuth == 'none'": auth == "none", "backendClientCertificate": certificate}
			if holds, isKnown := is[list[1]+list[2]]; !isKnown {
				t.Fatalf("nothing is known of %s in an output of Bicep", list[1]+list[2])
			} else if !holds {
				taken = list[4]
			}
			for _, variable := range strings.FieldsFunc(taken, func(r rune) bool { return r == ',' || r == ' ' }) {
				lines = append(lines, value(variable))
			}
		}
		outputs[name] = strings.Join(lines, "\n")
	}
	return outputs
}

// terraformOutputs evaluates those outputs that are more than a name.
func terraformOutputs(t *testing.T, auth string, certificate bool) map[string]string {
	t.Helper()
	text, err := os.ReadFile("terraform/outputs.tf")
	if err != nil {
		t.Fatal(err)
	}
	parsed, problems := hclsyntax.ParseConfig(text, "outputs.tf", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	object := func(pairs ...any) cty.Value {
		values := map[string]cty.Value{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i].(string)] = pairs[i+1].(cty.Value)
		}
		return cty.ObjectVal(values)
	}
	str := cty.StringVal
	context := &hcl.EvalContext{
		Functions: map[string]function.Function{"concat": stdlib.ConcatFunc, "coalesce": stdlib.CoalesceFunc},
		Variables: map[string]cty.Value{
			"var":               object("backend_auth", str(auth), "backend_client_certificate", cty.BoolVal(certificate), "scim_path", str("/scim"), "public_url", cty.NullVal(cty.String)),
			"azurerm_key_vault": object("vault", object("name", str("kv"), "id", str("/vaults/kv"))),
			"azapi_resource": object("site", object("name", str("contoso-scim"),
				"output", object("properties", object("defaultHostName", str("scim.contoso.com"))))),
		},
	}
	evaluate := func(attributes hclsyntax.Attributes, name string) cty.Value {
		value, problems := attributes[name].Expr.Value(context)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		return value
	}
	outputs, locals := map[string]string{}, map[string]cty.Value{"group": object("name", str("rg-scim"))}
	for _, block := range parsed.Body.(*hclsyntax.Body).Blocks {
		if block.Type == "locals" {
			for name := range block.Body.Attributes {
				locals[name] = evaluate(block.Body.Attributes, name)
			}
			context.Variables["local"] = cty.ObjectVal(locals)
			continue
		}
		value := evaluate(block.Body.Attributes, "value")
		if value.Type() == cty.String {
			outputs[block.Labels[0]] = value.AsString()
			continue
		}
		var lines []string
		for _, line := range value.AsValueSlice() {
			lines = append(lines, line.AsString())
		}
		outputs[block.Labels[0]] = strings.Join(lines, "\n")
	}
	// Plain names: Bicep has no text for them.
	delete(outputs, "app_name")
	delete(outputs, "vault_name")
	return outputs
}
