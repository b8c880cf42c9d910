// Package monitor_test checks the alerts and the workbook.
package monitor_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type alert struct {
	Name, Title, Description string
	Severity                 *int
	Frequency, Window        string
	Dimensions               []string
}

type chart struct{ Name, Title, Visualization string }

// durations are those that Azure evaluates rules in, shortest first. A frequency
// is none of more than a day.
// https://github.com/hashicorp/terraform-provider-azurerm/blob/main/website/docs/r/monitor_scheduled_query_rules_alert_v2.html.markdown
var durations = []string{"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D"}

var named = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

// list reads a JSON array whose objects hold what T does, and nothing else.
func list[T any](t *testing.T, path string) []T {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var all []T
	if err := decoder.Decode(&all); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(all) == 0 {
		t.Fatalf("%s is empty", path)
	}
	return all
}

func TestAlerts(t *testing.T) {
	var names []string
	for _, a := range list[alert](t, "alerts.json") {
		names = append(names, a.Name)
		if a.Title == "" || len(a.Title) > 60 || !strings.HasSuffix(a.Description, ".") {
			t.Errorf("%s: title %q, description %q", a.Name, a.Title, a.Description)
		}
		if a.Severity == nil || *a.Severity < 0 || *a.Severity > 4 {
			t.Errorf("%s: severity is not 0 to 4", a.Name)
		}
		frequency, window := slices.Index(durations, a.Frequency), slices.Index(durations, a.Window)
		// Rows arrive minutes late: a window as short as the frequency misses them.
		if frequency < 0 || a.Frequency == "P2D" || window <= frequency {
			t.Errorf("%s: frequency %s, window %s", a.Name, a.Frequency, a.Window)
		}
		// Of what lasts, the second would not be told of while the first lasts.
		if long := a.Window == "P1D"; a.Dimensions == nil || long != (len(a.Dimensions) > 0) {
			t.Errorf("%s: window %s, dimensions %q", a.Name, a.Window, a.Dimensions)
		}
		if by := strings.Join(a.Dimensions, ", "); !strings.Contains(read(t, "alerts/"+a.Name+".kql"), " by "+by+"\n") && by != "" {
			t.Errorf("%s: the query does not give a row by %s", a.Name, by)
		}
	}
	checkFiles(t, "alerts", names)
	page := read(t, "../../docs/operation.md")
	for _, name := range names {
		if !strings.Contains(page, "\n| `"+name+"` |") {
			t.Errorf("docs/operation.md does not say what to do about %s", name)
		}
	}
}

func TestWorkbook(t *testing.T) {
	var names []string
	for _, c := range list[chart](t, "workbook.json") {
		names = append(names, c.Name)
		if c.Title == "" || !slices.Contains([]string{"table", "timechart"}, c.Visualization) {
			t.Errorf("%s: title %q, visualization %q", c.Name, c.Title, c.Visualization)
		}
	}
	checkFiles(t, "workbook", names)
}

// checkFiles compares the names of a list with the files of KQL in a folder, and
// says which of those do not explain themselves.
func checkFiles(t *testing.T, folder string, names []string) {
	t.Helper()
	files, err := filepath.Glob(folder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range names {
		if !named.MatchString(name) {
			t.Errorf("name %q", name)
		}
		want = append(want, filepath.Join(folder, name+".kql"))
	}
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
	for _, path := range files {
		text := read(t, path)
		first, query, _ := strings.Cut(text, "\n")
		if !strings.HasPrefix(first, "// ") || len(first) < 40 || !strings.HasSuffix(first, ".") {
			t.Errorf("%s: the first line explains nothing: %s", path, first)
		}
		// Log alerts want a table first, and Azure appends to the query.
		// https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-log-query
		if !strings.HasPrefix(query, "AppTraces\n") && !strings.HasPrefix(query, "AppRequests\n") ||
			strings.Contains(query, "//") || strings.Contains(query, ";") || strings.Contains(query, "ago(") {
			t.Errorf("%s is not one query over one table within the time range given", path)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
