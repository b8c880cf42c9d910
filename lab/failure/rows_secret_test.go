//go:build unix

package failure

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
)

const (
	unread    = `error "secret could not be read"`
	unreadYet = `warn "secret could not be read"` // a good value is in use
)

// backOff bounds how long the proxy fails when its secret can be read again: it
// tries every 10 s.
const backOff = 12 * time.Second

// Settings under which the proxy notices soon that a secret cannot be read, and
// lets the last good value serve for long, or hardly.
var (
	fresh = map[string]string{"SECRET_REFRESH": "1s"}
	stale = map[string]string{"SECRET_REFRESH": "1s", "SECRET_STALE": "2s"}
)

// vaultRows are outages of the vault, and dates of secrets as a wrong clock
// shows them.
func vaultRows() []row {
	var list []row
	for _, outage := range []struct {
		fault      string
		begin, end func(*trial)
	}{
		{"refused", func(t *trial) { t.toVault.away() }, func(t *trial) { t.toVault.back() }},
		{"black hole", func(t *trial) { t.toVault.swallow(down) }, nil},
		{"reset", func(t *trial) { t.toVault.spoil("reset_peer", down, map[string]int{"timeout": 0}) }, nil},
		{"answers cut at byte 1000", func(t *trial) { t.toVault.cut(down, 1000) }, nil},
		{"500", refusing(http.StatusInternalServerError), accepting},
		{"429", refusing(http.StatusTooManyRequests), accepting},
	} {
		list = append(list,
			row{fault: outage.fault + ", at the start", cold: true, begin: outage.begin, end: outage.end, logs: []string{unread},
				calls: []expect{as(posts, "503", "error secret_unavailable", never)}, within: backOff},
			row{fault: outage.fault + ", while the last good value serves", settings: fresh, begin: thenUnread(outage.begin), end: outage.end,
				calls: []expect{as(posts, done, "info", once)}},
			row{fault: outage.fault + ", and the last good value is too old", settings: stale, begin: thenStale(outage.begin), end: outage.end,
				calls: []expect{as(posts, "503", "error secret_unavailable", never)}, within: backOff})
	}
	list = append(list, row{fault: "slow, 300 ms an answer, at the start", cold: true, begin: func(t *trial) { t.vault.SetDelay(300 * time.Millisecond) },
		end: func(t *trial) { t.vault.SetDelay(0) }, calls: []expect{as(posts, done, "info", once)}, within: backOff})
	list = append(list, clockRows()...)
	for i := range list {
		list[i].pair, list[i].vault = proxyVault, true
		if list[i].within > 0 && list[i].after == "" {
			list[i].after = "within 10 s: that is how often a failed read is tried again"
		}
	}
	return list
}

func refusing(status int) func(*trial) {
	return func(t *trial) {
		t.vault.Refuse(vault.Refusal{Status: status, Code: strconv.Itoa(status), Message: "no"})
	}
}

func accepting(t *trial) { t.vault.Refuse(vault.Refusal{}) }

// thenUnread lets the proxy notice.
func thenUnread(begin func(*trial)) func(*trial) {
	return func(t *trial) {
		t.Helper()
		t.warm()
		begin(t)
		t.drive("the proxy fails to read a secret", func(status int) bool {
			if status != http.StatusOK {
				t.Errorf("status %d while the last good value is to serve", status)
			}
			_, ok := t.log.find(t.mark, func(l line) bool { return l.String() == unreadYet })
			return ok
		})
	}
}

// thenStale lets the last good value grow too old.
func thenStale(begin func(*trial)) func(*trial) {
	return func(t *trial) {
		t.Helper()
		t.warm()
		begin(t)
		t.drive("the last good value is too old", func(status int) bool { return status == http.StatusServiceUnavailable })
	}
}

// clockRows are secrets whose dates do not suit this machine's clock: wrong
// dates, or a wrong clock, which is the same to the proxy.
func clockRows() []row {
	hour := time.Hour
	dated := func(name string, change func(*vault.Secret)) func(*trial) {
		return func(t *trial) { t.vault.Update(name, "", change) }
	}
	right := func(name string) func(*trial) {
		return dated(name, func(s *vault.Secret) { s.NotBefore, s.Expires = time.Time{}, time.Time{} })
	}
	past := func(s *vault.Secret) { s.Expires = time.Now().Add(-hour) }
	ahead := func(s *vault.Secret) { s.NotBefore = time.Now().Add(hour) }
	unavailable := []expect{as(posts, "503", "error secret_unavailable", never)}
	return []row{
		{fault: "by this machine's clock ENTRA_TOKEN has expired", cold: true, begin: dated(stand.EntraTokenName, past), end: right(stand.EntraTokenName),
			calls: unavailable, logs: []string{unread}, within: backOff},
		{fault: "by this machine's clock ENTRA_TOKEN is not valid yet", cold: true, begin: dated(stand.EntraTokenName, ahead), end: right(stand.EntraTokenName),
			calls: unavailable, logs: []string{unread}, within: backOff},
		{fault: "by this machine's clock BACKEND_TOKEN is not valid yet", cold: true, begin: dated(stand.BackendTokenName, ahead), end: right(stand.BackendTokenName),
			calls: unavailable, logs: []string{unread}, within: backOff},
		{fault: "by this machine's clock BACKEND_TOKEN has expired", cold: true, begin: dated(stand.BackendTokenName, past), end: right(stand.BackendTokenName),
			calls: []expect{as(posts, done, "info", once)}, logs: []string{`error "expired"`}},
	}
}

// fileRows are secrets in files that cannot be read.
func fileRows() []row {
	gone := func(name string) func(*trial) {
		return func(t *trial) { t.must(os.Remove(t.path(name))) }
	}
	entraBack := func(t *trial) { t.restore(stand.EntraTokenName, t.entraToken) }
	serviceBack := func(t *trial) { t.restore(stand.BackendTokenName, t.backend.token) }
	unavailable := []expect{as(posts, "503", "error secret_unavailable", never)}
	var list []row
	for _, fault := range []struct {
		name  string
		begin func(*trial)
	}{
		{"has vanished", gone(stand.EntraTokenName)},
		{"is empty", func(t *trial) { t.write(stand.EntraTokenName, "") }},
		{"is a directory", func(t *trial) {
			t.must(errors.Join(os.Remove(t.path(stand.EntraTokenName)), os.Mkdir(t.path(stand.EntraTokenName), 0o700)))
		}},
		{"may not be opened (mode 000; as root, a link to itself)", forbid(stand.EntraTokenName)},
	} {
		list = append(list, row{fault: "the file of ENTRA_TOKEN " + fault.name + ", at the start", cold: true, begin: fault.begin, end: entraBack,
			calls: unavailable, logs: []string{unread}, within: backOff})
	}
	list = append(list,
		row{fault: "the file of BACKEND_TOKEN has vanished, at the start", cold: true, begin: gone(stand.BackendTokenName), end: serviceBack,
			calls: unavailable, logs: []string{unread}, within: backOff},
		row{fault: "the file of BACKEND_TOKEN vanishes, while the last good value serves", settings: fresh, begin: thenUnreadFile(gone(stand.BackendTokenName)),
			end: serviceBack, calls: []expect{as(posts, done, "info", once)}},
		row{fault: "the file of BACKEND_TOKEN vanishes, and the last good value is too old", settings: stale, begin: thenStale(gone(stand.BackendTokenName)),
			end: serviceBack, calls: unavailable, within: backOff},
		row{fault: "the file of ENTRA_TOKEN is replaced while calls come", settings: fresh, begin: func(t *trial) {
			t.entraToken = stand.NewToken()
			t.secrets = append(t.secrets, t.entraToken)
			t.write(stand.EntraTokenName, t.entraToken)
		}, calls: []expect{as(posts, done, "info", once)}})
	for i := range list {
		list[i].pair = proxyFile
		if list[i].within > 0 {
			list[i].after = "within 10 s: that is how often a failed read is tried again"
		}
	}
	return list
}

// thenUnreadFile is thenUnread; a file that is gone is somebody's business.
func thenUnreadFile(begin func(*trial)) func(*trial) {
	return func(t *trial) {
		t.Helper()
		t.warm()
		begin(t)
		t.drive("the proxy fails to read a secret", func(int) bool {
			_, ok := t.log.find(t.mark, func(l line) bool { return l.Msg == "secret could not be read" })
			return ok
		})
	}
}

// forbid takes the right to read a file away; root's cannot be taken.
func forbid(name string) func(*trial) {
	return func(t *trial) {
		if os.Getuid() != 0 {
			t.must(os.Chmod(t.path(name), 0))
			return
		}
		t.must(errors.Join(os.Remove(t.path(name)), os.Symlink(name, t.path(name))))
	}
}

// restore puts a file back, whatever is in its place.
func (w *world) restore(name, value string) {
	w.Helper()
	w.must(os.RemoveAll(w.path(name)))
	w.write(name, value)
}

// selfRows are the proxy's own death and sleep.
func selfRows() []row {
	stop := func(asleep time.Duration) func(*trial) {
		return func(t *trial) {
			t.Helper()
			t.held()
			t.must(t.proxy.command.Process.Signal(syscall.SIGSTOP))
			t.backend.release() // the answer comes to a process that sleeps
			time.Sleep(asleep)  // the fault itself
			t.must(t.proxy.command.Process.Signal(syscall.SIGCONT))
		}
	}
	kill := func(t *trial) {
		t.Helper()
		t.held()
		t.proxy.kill()
		t.backend.release()
		t.up()
	}
	list := []row{
		{fault: "SIGKILL in mid-call before the backend has acted, and a start", hold: beforehand, during: kill, calls: []expect{as(bodies, nothing, noLine, onceOrNot)}},
		{fault: "SIGKILL in mid-call after the backend has acted, and a start", hold: afterwards, during: kill, calls: []expect{as(writes, nothing, noLine, once)}},
		{fault: "frozen for 1 s in mid-call, as a virtual machine that is paused", hold: afterwards, during: stop(time.Second), calls: []expect{as(writes, done, "info", once)}},
		{fault: "frozen in mid-call until after BACKEND_TIMEOUT", settings: map[string]string{"BACKEND_TIMEOUT": "6s"}, hold: afterwards, during: stop(8 * time.Second),
			calls: []expect{{methods: posts, sees: []string{done, "504"}, log: []string{"info", "warn timeout"}, executed: once}}},
		{fault: "frozen when the call comes", begin: func(t *trial) { t.must(t.proxy.command.Process.Signal(syscall.SIGSTOP)) },
			during: func(t *trial) {
				time.Sleep(time.Second) // the fault itself
				t.must(t.proxy.command.Process.Signal(syscall.SIGCONT))
			}, calls: []expect{as(bodies, done, "info", once)}},
	}
	for i := range list {
		list[i].pair = proxyItself
	}
	return list
}
