package infra_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// builtIn are Bicep's functions that the checks use.
// https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions
var builtIn = map[string]any{
	"empty":  func(a ...any) any { return size(a[0]) == 0 },
	"length": func(a ...any) any { return size(a[0]) },
	"int": func(a ...any) any {
		n, err := strconv.Atoi(a[0].(string))
		if err != nil {
			panic(err)
		}
		return n
	},
	"toLower":    func(a ...any) any { return strings.ToLower(a[0].(string)) },
	"startsWith": func(a ...any) any { return startsWith(a[0].(string), a[1].(string)) },
	"endsWith":   func(a ...any) any { return startsWith(reversed(a[0].(string)), reversed(a[1].(string))) },
	"take": func(a ...any) any {
		if text, isText := a[0].(string); isText {
			return text[:min(a[1].(int), len(text))]
		}
		list := a[0].([]any)
		return list[:min(a[1].(int), len(list))]
	},
	"skip": func(a ...any) any {
		if text, isText := a[0].(string); isText {
			return text[min(a[1].(int), len(text)):]
		}
		list := a[0].([]any)
		return list[min(a[1].(int), len(list)):]
	},
	"contains": func(a ...any) any {
		switch in := a[0].(type) {
		case string:
			return strings.Contains(in, a[1].(string))
		case scope:
			_, found := in[a[1].(string)]
			return found
		}
		return slices.Contains(a[0].([]any), a[1])
	},
	"concat": func(a ...any) any {
		all := []any{}
		for _, list := range a {
			all = append(all, list.([]any)...)
		}
		return all
	},
	"join": func(a ...any) any {
		var texts []string
		for _, text := range a[0].([]any) {
			texts = append(texts, text.(string))
		}
		return strings.Join(texts, a[1].(string))
	},
	"split": func(a ...any) any {
		text := a[0].(string)
		const mark = "\x00"
		for _, separator := range separators(a[1]) {
			text = strings.ReplaceAll(text, separator.(string), mark)
		}
		parts := []any{}
		for part := range strings.SplitSeq(text, mark) {
			parts = append(parts, part)
		}
		return parts
	},
	"filter": func(a ...any) any {
		kept := []any{}
		for _, item := range a[0].([]any) {
			if call(a[1], []any{item}).(bool) {
				kept = append(kept, item)
			}
		}
		return kept
	},
	"map": func(a ...any) any {
		made := []any{}
		for _, item := range a[0].([]any) {
			made = append(made, call(a[1], []any{item}))
		}
		return made
	},
	"items": func(a ...any) any {
		list := []any{}
		for _, key := range slices.Sorted(maps.Keys(a[0].(scope))) {
			list = append(list, scope{"key": key, "value": a[0].(scope)[key]})
		}
		return list
	},
}

func separators(of any) []any {
	if list, isList := of.([]any); isList {
		return list
	}
	return []any{of}
}

func size(of any) int {
	switch v := of.(type) {
	case string:
		return len(v)
	case scope:
		return len(v)
	}
	return len(of.([]any))
}

// startsWith does not mind the case, as in ARM.
func startsWith(text, start string) bool {
	return strings.HasPrefix(strings.ToLower(text), strings.ToLower(start))
}

func reversed(text string) string {
	b := []byte(text)
	slices.Reverse(b)
	return string(b)
}
