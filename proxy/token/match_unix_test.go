//go:build unix

package token

import (
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"
)

// Whatever is presented, the digest of every candidate is read: how long Match takes does not tell which one it was, nor whether there was one
// (CWE-208). What is read cannot be seen from outside; so each candidate in turn
// lies such that a read of its digest is a fault.
func TestMatchReadsEveryDigest(t *testing.T) {
	values := []string{"first", "second", "third"}
	for at := range values {
		fenced, unfence := fence(t, NewSecret(values[at]))
		var candidates Credentials
		for i, value := range values {
			if i == at {
				candidates = append(candidates, fenced)
			} else {
				candidates = append(candidates, NewSecret(value))
			}
		}
		for _, presented := range append(values, "wrong", "f", "") {
			if !faults(func() { candidates.Match(presented) }) {
				t.Errorf("with %q presented, the digest of candidate %d is not read", presented, at)
			}
		}
		unfence()
		if faults(func() { candidates.Match("wrong") }) {
			t.Error("a digest that may be read is a fault, too")
		}
		if match, ok := candidates.Match(values[at]); !ok || match.Reveal() != values[at] {
			t.Error("a candidate is not what it was")
		}
	}
}

// fence moves a secret to where its digest, and what is in front of it, cannot be
// read until unfence; what Match may read beside the digest can.
func fence(t *testing.T, secret Secret) (fenced Secret, unfence func()) {
	t.Helper()
	page := syscall.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		runtime.KeepAlive(secret) // the collector does not see what the copy refers to
		_ = syscall.Munmap(memory)
	})
	protect := func(how int) {
		if err := syscall.Mprotect(memory[:page], how); err != nil {
			t.Fatal(err)
		}
	}
	end := unsafe.Offsetof(content{}.digest) + unsafe.Sizeof(content{}.digest)
	moved := (*content)(unsafe.Pointer(&memory[page-int(end)]))
	*moved = **secret.content
	protect(syscall.PROT_NONE)
	return Secret{&moved}, func() { protect(syscall.PROT_READ) }
}

// faults reports whether a function reads what it may not.
func faults(run func()) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { faulted = recover() != nil }()
	run()
	return false
}
