package monitor_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A rule whose query does not bind fails in Azure only when it is evaluated.
func TestQueriesBind(t *testing.T) {
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat("kusto/node_modules/@kusto/language-service-next")
	}
	if err != nil {
		t.Skipf("%v: install Node.js, and run npm ci --prefix infra/monitor/kusto", err)
	}
	files, err := filepath.Glob("*/*.kql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	output, err := exec.CommandContext(t.Context(), node, append([]string{"kusto/check.mjs"}, files...)...).CombinedOutput()
	if err != nil || len(output) > 0 {
		t.Errorf("%v\n%s", err, output)
	}
}

// tables are what a query runs over.
type tables struct {
	Query    string  `json:"query"`
	Traces   [][]any `json:"traces"`   // TimeGenerated, Message, Properties
	Requests [][]any `json:"requests"` // TimeGenerated, ResultCode
}

// execute returns the rows that each query finds.
func execute(t *testing.T, cases []tables) [][]map[string]any {
	t.Helper()
	python, err := filepath.Abs("kusto/.venv/bin/python")
	if err == nil {
		_, err = os.Stat(python)
	}
	if err != nil {
		python = "python3"
	}
	if output, err := exec.CommandContext(t.Context(), python, "-c", "import duckdb, duckdb_kql").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		t.Skipf("%v, %s: cd infra/monitor/kusto, run python3 -m venv .venv and .venv/bin/pip install -r requirements.txt", err, lines[len(lines)-1])
	}
	input, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), python, "kusto/run.py")
	var stderr bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(input), &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var rows [][]map[string]any
	if err := json.Unmarshal(output, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}
