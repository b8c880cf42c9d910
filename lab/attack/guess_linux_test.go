package attack

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// watchToken counts how often the file with Entra's token is opened from now on.
func (w *world) watchToken(t *testing.T) (opened func() int) {
	t.Helper()
	watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(watch) }) // it was read
	path := filepath.Clean(strings.TrimPrefix(w.Setting("ENTRA_TOKEN"), "file:"))
	if _, err := syscall.InotifyAddWatch(watch, path, syscall.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	return func() (times int) {
		buffer := make([]byte, 64<<10)
		n, err := syscall.Read(watch, buffer)
		if err != nil && err != syscall.EAGAIN {
			t.Fatal(err)
		}
		for events := buffer[:max(n, 0)]; len(events) >= syscall.SizeofInotifyEvent; times++ {
			events = events[syscall.SizeofInotifyEvent+binary.NativeEndian.Uint32(events[12:]):]
		}
		return times
	}
}
