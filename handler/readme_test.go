package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write the generated part of the README")

const (
	readme     = "../README.md"
	tableBegin = "<!-- settings: generated from handler/settings.go by go test ./handler -update -->\n"
	tableEnd   = "<!-- end of settings -->\n"
)

// The README's table of settings is the type settings, in other words.
func TestREADMEListsTheSettings(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), tableBegin)
	have, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", readme, tableBegin, tableEnd)
	}
	want := settingsTable(t)
	if have == want {
		return
	}
	if !*update {
		t.Fatal("the README's settings are not those of the code: run go test ./handler -update")
	}
	if err := os.WriteFile(readme, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func settingsTable(t *testing.T) string {
	t.Helper()
	comments := fieldComments(t)
	var table strings.Builder
	table.WriteString("\n| Setting | Meaning | A value is | Default |\n|---|---|---|---|\n")
	for field := range reflect.TypeFor[settings]().Fields() {
		name := settingName(field)
		if name == "" {
			continue
		}
		meaning, ok := strings.CutPrefix(comments[field.Name], field.Name+" ")
		if !ok || field.Tag.Get("expect") == "" {
			t.Errorf("the field %s lacks a comment that begins with its name, or an expect tag", field.Name)
		}
		meaning = strings.TrimPrefix(strings.TrimPrefix(meaning, "is "), "are ")
		table.WriteString(fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, sentence(meaning), field.Tag.Get("expect"), defaultOf(field)))
	}
	return table.String() + "\n"
}

func sentence(text string) string {
	runes := []rune(strings.TrimSuffix(strings.TrimSpace(text), "."))
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

func defaultOf(field reflect.StructField) string {
	if value, ok := field.Tag.Lookup("envDefault"); ok {
		return "`" + value + "`"
	}
	if strings.HasSuffix(field.Tag.Get("env"), ",required") {
		return "**required**"
	}
	return field.Tag.Get("default")
}

// fieldComments returns the comments of the fields of type settings.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "settings.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "settings" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			for _, name := range field.Names {
				comments[name.Name] = strings.ReplaceAll(field.Doc.Text(), "\n", " ")
			}
		}
		return false
	})
	return comments
}
