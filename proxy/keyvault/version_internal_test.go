package keyvault

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// parseVersions reads versions in the order of their creation, a word each: an
// id, after "=" if it was created in the same second as the one before it, and
// then "d" for disabled, "x" for expired, "n" for not yet valid. The last one
// is what the unversioned read gives, unless it is disabled.
func parseVersions(text string) (versions []version, unversioned string) {
	created := noon.Add(-time.Hour)
	for word := range strings.FieldsSeq(text) {
		rest, same := strings.CutPrefix(word, "=")
		if !same {
			created = created.Add(time.Second)
		}
		v := version{id: rest[:1], enabled: true, created: created}
		for _, flag := range rest[1:] {
			switch flag {
			case 'd':
				v.enabled = false
			case 'x':
				v.expires = noon
			case 'n':
				v.notBefore = noon.Add(time.Nanosecond)
			}
		}
		versions = append(versions, v)
	}
	if last := versions[len(versions)-1]; last.enabled {
		unversioned = last.id
	}
	return versions, unversioned
}

func id(v *version) string {
	if v == nil {
		return "-"
	}
	return v.id
}

func TestChoose(t *testing.T) {
	for text, want := range map[string]string{
		"A": "A -", "A B": "B A", "A B C": "C B",
		// The one before is withdrawn: the one before that stays away.
		"A Bd C": "C -", "A Bx C": "C -", "A Bn C": "C -",
		// The newest is withdrawn: the one before it is what is left.
		"A B Cd": "B -", "A B Cx": "B -", "A Bd Cd": "A -", "A Bx Cx": "A -", "A B Cdn": "B A",
		// The newest has yet to come, and takes nothing from the others.
		"A B Cn": "B A", "A Bn": "A -", "A B Cn Dn": "B A", "A Bd Cn": "A -", "A Bd C Dn": "C -",
		"Ad": "- -", "Ax": "- -", "An": "- -", "Ad Bx Cn": "- -",
		// Created in one second: the unversioned read tells which is the
		// current one.
		"A =B": "B A", "A =B =C": "C -", "A B =C": "C B", "A =B C D": "D C", "Ad =B": "B -", "A =Bd": "A -", "A B =Cd": "B -", "A =B C": "C -", "A =Bx": "A -",
		"A =Bn": "A -", "A B =Cn": "B A", "A =B Cx": "B -", "A =B Cn": "B -",
	} {
		versions, unversioned := parseVersions(text)
		for range 20 {
			// Key Vault promises no order.
			rand.Shuffle(len(versions), func(i, j int) { versions[i], versions[j] = versions[j], versions[i] })
			first, second := choose(versions, unversioned, noon)
			if got := id(first) + " " + id(second); got != want {
				t.Fatalf("%s: %s, want %s", text, got, want)
			}
		}
	}
}

func TestNewestBegun(t *testing.T) {
	for text, want := range map[string]string{
		"Ax": "A", "Ax Bx": "B", "Ax Bd": "A", "A Bx": "B", "Ax B": "B", "Ax Bn": "A", "Axn": "-", "Axd": "-", "Ad": "-", "Ax =Bx": "B",
	} {
		versions, unversioned := parseVersions(text)
		if got := id(newestBegun(versions, unversioned, noon)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestWindowsAreHalfOpen(t *testing.T) {
	v := version{enabled: true, notBefore: noon, expires: noon.Add(time.Second)}
	for at, want := range map[time.Duration]bool{-1: false, 0: true, time.Second - 1: true, time.Second: false} {
		if got := v.inForce(noon.Add(at)); got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
}

// Whatever a vault says, no version counts that is not in force, and of those
// that are never one that has two others after it.
func FuzzChoose(f *testing.F) {
	for _, seed := range []string{"A B C", "A Bd C", "A B =Cd", "A =B =C", "An Bx C"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var words []string
		for word := range strings.FieldsSeq(text) {
			if strings.Trim(word, "=") != "" && len(words) < 10 {
				same := word[0] == '='
				word = fmt.Sprintf("%c%s", 'A'+len(words), strings.Trim(word, "="))
				if same {
					word = "=" + word
				}
				words = append(words, word)
			}
		}
		if len(words) == 0 {
			return
		}
		versions, unversioned := parseVersions(strings.Join(words, " "))
		first, second := choose(versions, unversioned, noon)
		if first == nil {
			for _, v := range versions {
				if v.inForce(noon) {
					t.Errorf("%s is in force, and nothing was chosen", v.id)
				}
			}
			return
		}
		if !first.inForce(noon) || second != nil && (!second.inForce(noon) || second.created.After(first.created) || second == first) {
			t.Errorf("%v and %v", first, second)
		}
		newest := 0 // that have begun and came after the second for certain
		for _, v := range versions {
			if second != nil && v.begun(noon) && v.created.After(second.created) {
				newest++
			}
			if v.inForce(noon) && v.created.After(first.created) {
				t.Errorf("%s was chosen, and %s is newer", first.id, v.id)
			}
		}
		if newest > 1 {
			t.Errorf("%s is the second although %d came after it", second.id, newest)
		}
	})
}
