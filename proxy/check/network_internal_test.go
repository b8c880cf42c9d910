package check

import (
	"os/exec"
	"testing"
)

// What is pasted into a shell stays one word, whoever wrote it.
func TestWordsForAShell(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell is here")
	}
	for _, word := range []string{
		"", "scim.corp.example.com:443", "[fd12::1]:443", "-x", "a b", "a\nb", "~", "*", "a$(id)", "$HOME", "a`id`", "a&b", "a;id", "a|id", "a>b", "a#b", "!a",
		`a\b`, `"`, "'", "'$(id)'", `'\''`, "{a,b}", "(id)", "\u202e",
	} {
		if got, err := exec.CommandContext(t.Context(), shell, "-c", "printf %s "+shellQuoted(word)).Output(); err != nil || string(got) != word {
			t.Errorf("%q becomes %q, %v", word, got, err)
		}
	}
}
