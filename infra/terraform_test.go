package infra_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// readTerraform reads the whole root module.
func readTerraform(t *testing.T) *template {
	t.Helper()
	files, err := filepath.Glob("terraform/*.tf")
	if err != nil || len(files) < 5 {
		t.Fatalf("only %d Terraform files were found (%v)", len(files), err)
	}
	into := newTemplate()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, problems := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
		if problems.HasErrors() {
			t.Errorf("%s does not parse: %v", file, problems)
			continue
		}
		r := terraformReader{text: text, into: into}
		body, isBody := parsed.Body.(*hclsyntax.Body)
		if !isBody {
			t.Fatalf("%s is not in HCL's own syntax", file)
		}
		for _, block := range body.Blocks {
			r.block(block)
		}
	}
	return into
}

type terraformReader struct {
	text []byte
	into *template
}

func (r *terraformReader) block(block *hclsyntax.Block) {
	switch block.Type {
	case "resource":
		values := r.into.add(resource{name: block.Labels[1], kind: block.Labels[0]})
		r.body(block.Body, values, "")
	case "locals":
		for name, attribute := range block.Body.Attributes {
			r.leaves(attribute.Expr, r.into.variable(name), "")
		}
	case "variable":
		values := map[string]string{}
		r.body(block.Body, values, "")
		r.into.parameters[block.Labels[0]] = parameter{description: unquoteHCL(values["description"]), value: values["default"]}
	case "output":
		values := map[string]string{}
		r.body(block.Body, values, "")
		r.into.outputs[block.Labels[0]] = unquoteHCL(values["description"])
	}
}

// body gathers a block's attributes and, under their names, its blocks'. Blocks
// of one name share their paths: dynamic "x" is x.
func (r *terraformReader) body(body *hclsyntax.Body, into map[string]string, path string) {
	for name, attribute := range body.Attributes {
		r.leaves(attribute.Expr, into, join(path, name))
	}
	for _, block := range body.Blocks {
		name := block.Type
		if name == "dynamic" {
			name = block.Labels[0]
		}
		r.body(block.Body, into, join(path, name))
	}
}

func (r *terraformReader) leaves(expression hclsyntax.Expression, into map[string]string, path string) {
	switch e := expression.(type) {
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			r.leaves(item.ValueExpr, into, join(path, unquoteHCL(r.source(item.KeyExpr.Range()))))
		}
	case *hclsyntax.TupleConsExpr:
		for i, element := range e.Exprs {
			r.leaves(element, into, join(path, number(uint(i))))
		}
	case *hclsyntax.FunctionCallExpr:
		r.parts(e, into, path, e.Args...)
	case *hclsyntax.ConditionalExpr:
		r.parts(e, into, path, e.TrueResult, e.FalseResult)
	case *hclsyntax.ForExpr:
		r.parts(e, into, path, e.ValExpr)
	default:
		put(into, path, r.source(expression.Range()))
	}
}

// parts gathers what a value is put together of, as by merge, concat and
// conditions, or else the value's source.
func (r *terraformReader) parts(whole hclsyntax.Expression, into map[string]string, path string, parts ...hclsyntax.Expression) {
	if !slices.ContainsFunc(parts, holdsObjectHCL) {
		put(into, path, r.source(whole.Range()))
		return
	}
	for _, part := range parts {
		r.leaves(part, into, path)
	}
}

func holdsObjectHCL(expression hclsyntax.Expression) bool {
	switch e := expression.(type) {
	case *hclsyntax.ObjectConsExpr:
		return len(e.Items) > 0
	case *hclsyntax.TupleConsExpr:
		return len(e.Exprs) > 0
	case *hclsyntax.ForExpr:
		return holdsObjectHCL(e.ValExpr)
	case *hclsyntax.ConditionalExpr:
		return holdsObjectHCL(e.TrueResult) || holdsObjectHCL(e.FalseResult)
	case *hclsyntax.FunctionCallExpr:
		return slices.ContainsFunc(e.Args, holdsObjectHCL)
	}
	return false
}

func (r *terraformReader) source(of hcl.Range) string { return string(of.SliceBytes(r.text)) }

func unquoteHCL(s string) string {
	if len(s) > 1 && s[0] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
