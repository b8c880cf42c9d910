package infra_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A tag can be moved to other code, a commit cannot.
var pinned = regexp.MustCompile(`^[a-zA-Z0-9/_-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)

func TestActionsArePinned(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	actions, versions := 0, map[string]string{}
	for _, file := range files {
		text := script(t, file)
		if strings.Contains(text, "secrets.") {
			t.Errorf("%s reads a secret", file)
		}
		for line := range strings.Lines(text) {
			_, action, ok := strings.Cut(strings.TrimSpace(line), "uses: ")
			if !ok {
				continue
			}
			actions++
			name, version, _ := strings.Cut(action, "@")
			if !pinned.MatchString(action) || versions[name] != "" && versions[name] != version {
				t.Errorf("%s: %s", file, action)
			}
			versions[name] = version
		}
	}
	if len(files) != 4 || actions < 15 {
		t.Errorf("%d workflows with %d actions", len(files), actions)
	}
}

// step returns the script of a step of a workflow, without its indentation.
func step(t *testing.T, workflow, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(script(t, "../.github/workflows/"+workflow), "- name: "+name+"\n")
	_, rest, script := strings.Cut(rest, "        run: |\n")
	if !found || !script {
		t.Fatalf("%s has no step %q with a script", workflow, name)
	}
	var b strings.Builder
	for line := range strings.Lines(rest) {
		text, inside := strings.CutPrefix(line, "          ")
		if !inside {
			break
		}
		b.WriteString(text)
	}
	return b.String()
}

// fakeSite is az and curl of a site that Flex Consumption runs: it takes a
// change of rules, and refuses a configuration as a whole.
const fakeSite = `#!/bin/sh
case "$(basename "$0") $*" in
  "az rest --url /site/config/web?api-version=2025-03-01 --output json") cat "$SITE" ;;
  "az rest --method patch --url /site/config/web?api-version=2025-03-01 --body @"*" --output none")
    for word; do case $word in @*) file=${word#@} ;; esac; done
    jq -e '.properties | keys == ["scmIpSecurityRestrictions"]' "$file" >/dev/null || { echo BadRequest >&2; exit 1; }
    cp "$file" "$SITE" ;;
  "curl "*) grep -q '"203.0.113.7/32"' "$SITE" || printf 'HTTP/1.1 403 Ip Forbidden\r\nx-ms-forbidden-ip: 203.0.113.7\r\n\r\n' ;;
  *) echo "what is $*" >&2; exit 1 ;;
esac
`

func TestTheRunnerIsLetIntoTheSCMSiteAndOutAgain(t *testing.T) {
	for _, name := range []string{"bash", "jq"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	folder := t.TempDir()
	for name, text := range map[string]string{"az": fakeSite, "curl": fakeSite, "sleep": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	site := filepath.Join(folder, "site")
	before := `{"properties":{"ftpsState":"Disabled","scmIpSecurityRestrictions":[{"name":"admin-0","ipAddress":"198.51.100.0/28"}]}}`
	if err := os.WriteFile(site, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		var web struct {
			Properties struct {
				Rules []struct{ Name string } `json:"scmIpSecurityRestrictions"`
			}
		}
		if err := json.Unmarshal([]byte(script(t, site)), &web); err != nil {
			t.Fatal(err)
		}
		for _, rule := range web.Properties.Rules {
			names = append(names, rule.Name)
		}
		return names
	}
	for _, test := range []struct {
		step string
		want []string
	}{
		{"Open the SCM site for this runner", []string{"admin-0", "run-1"}},
		{"Open the SCM site for this runner", []string{"admin-0", "run-1"}}, // it is open already
		{"Close the SCM site again", []string{"admin-0"}},
		{"Close the SCM site again", []string{"admin-0"}},
	} {
		command := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(t, "deploy.yml", test.step))
		command.Dir = folder
		command.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "SITE="+site,
			"CONFIG=/site/config/web?api-version=2025-03-01", "SCM=contoso-scim.scm.azurewebsites.net", "RULE=run-1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", test.step, err, output)
		}
		if diff := cmp.Diff(test.want, names()); diff != "" {
			t.Errorf("%s: %s", test.step, diff)
		}
	}
}
