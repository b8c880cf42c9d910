package profile

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated parts of docs/backends")

const pages = "../../docs/backends"

// hosts are where a page says that the system is.
var hosts = map[string]string{"guard": "https://api.atlassian.com", "kantega": "http://jira.corp.example.com:5501"}

// settings are what an administrator pastes for the system.
func (p Profile) settings() []string {
	lines := []string{
		"BACKEND_URL=" + cmp.Or(hosts[p.Name], "https://backend.corp.example.com") + p.Backend.BasePath,
		"ENTRA_TOKEN=keyvault:entra-token",
	}
	if p.Auth.ClientCertificate() {
		lines = append(lines, "BACKEND_CLIENT_CERT=keyvault:backend-client")
	} else {
		lines = append(lines, "BACKEND_TOKEN=keyvault:backend-token")
	}
	lines = append(lines, "KEY_VAULT_URL=https://contoso-scim.vault.azure.net")
	if p.Certificate == PrivateCA {
		lines = append(lines, "BACKEND_CA=keyvault:backend-ca")
	}
	others := p.Auth.Settings()
	maps.Copy(others, p.Proxy)
	for _, name := range slices.Sorted(maps.Keys(others)) {
		lines = append(lines, name+"="+others[name])
	}
	return lines
}

// page is the generated part about a profile.
func (p Profile) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, "```\n%s\n```\n\n", strings.Join(p.settings(), "\n"))
	tenant := "https://contoso-scim.azurewebsites.net/scim"
	if p.Entra.Flag {
		tenant += "?aadOptscim062020"
	}
	rename := "yes"
	if !p.Entra.GroupRename {
		rename = "no: the system refuses it"
	}
	mapping := "none has to"
	if len(p.Entra.Dropped) > 0 {
		mapping = "`" + strings.Join(p.Entra.Dropped, "`, `") + "`"
	}
	fmt.Fprintf(&b, "| In Entra | |\n|---|---|\n")
	fmt.Fprintf(&b, "| Tenant URL | `%s` |\n| Scope | %s |\n| Attributes to delete from the mapping | %s |\n| Groups may be renamed | %s |\n\n",
		tenant, p.Entra.Scope, mapping, rename)
	if len(p.Unverified) == 0 {
		return b.String()
	}
	b.WriteString("What we could not verify:\n\n")
	for _, statement := range p.Unverified {
		fmt.Fprintf(&b, "- %s\n", statement)
	}
	return b.String() + "\n"
}

// Who pastes from a page pastes what the lab has played.
func TestPagesSayWhatTheProfilesDo(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(pages, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	shown := map[string]int{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, p := range All() {
			begin, end := "<!-- "+p.Name+": generated from lab/profile by go test ./lab/profile -update -->\n\n", "<!-- end of "+p.Name+" -->\n"
			before, rest, found := strings.Cut(text, begin)
			if !found {
				continue
			}
			shown[p.Name]++
			is, after, found := strings.Cut(rest, end)
			if !found {
				t.Fatalf("%s: %s has no end", file, p.Name)
			}
			if want := p.page(); is != want && !*update {
				t.Errorf("%s is not up to date for %s: go test ./lab/profile -update", file, p.Name)
			}
			text = before + begin + p.page() + end + after
		}
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range All() {
		if shown[p.Name] != 1 {
			t.Errorf("%s is on %d pages, want 1", p.Name, shown[p.Name])
		}
	}
}
