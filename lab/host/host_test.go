//go:build unix

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// lines is a writer that keeps what it gets, and may be asked meanwhile.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	on   func(string)
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on != nil {
		l.on(string(line))
	}
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// waitStarts waits until the handler was started so often and takes calls.
func waitStarts(t *testing.T, h *Host, starts int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for h.Starts() < starts {
		if ctx.Err() != nil {
			t.Fatalf("the handler was started %d times, want %d", h.Starts(), starts)
		}
		get(t, h, "/scim") // waits itself
	}
}

// gone reports whether no process has the id.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// newPipe makes a named pipe, at which a handler waits until openPipe.
func newPipe(t *testing.T) string {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	return pipe
}

func openPipe(pipe string) {
	if file, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
		file.Close()
	}
}

func TestStartWaitsForListener(t *testing.T) {
	pipe := newPipe(t)
	var released atomic.Bool
	var release sync.WaitGroup
	stdout := &lines{on: func(line string) {
		if line == "waiting\n" {
			release.Go(func() { // ends with the handler's opening of the pipe
				released.Store(true)
				openPipe(pipe)
			})
		}
	}}
	h := startHost(t, Options{Settings: []string{modeSetting + "=slow:" + pipe}, Stdout: stdout})
	if !released.Load() {
		t.Error("Start returned before the handler listened")
	}
	release.Wait()
	if head, _ := get(t, h, "/scim"); statusOf(head) != "200" || h.Starts() != 1 {
		t.Errorf("got %q after %d starts", head, h.Starts())
	}
}

// What counts as ready is an answer of any kind.
func TestReady(t *testing.T) {
	for _, mode := range []string{"redirect", "garbage", "reset"} {
		t.Run(mode, func(t *testing.T) {
			h := startHost(t, Options{Settings: []string{modeSetting + "=" + mode}})
			if h.Starts() != 1 {
				t.Errorf("the handler was started %d times", h.Starts())
			}
			if mode == "redirect" {
				if _, seen := get(t, h, "/do/seen"); !strings.Contains(seen, "GET /elsewhere HTTP/1.1\r\n") {
					t.Errorf("the ping did not follow the redirect:\n%s", seen)
				}
			}
		})
	}
}

const shortLimit = `"enableProxyingHttpRequest": true, "initializationTimeout": "00:00:00.2"`

func TestNeverReady(t *testing.T) {
	for mode, want := range map[string]string{
		"deaf":   "after 3 failures: the handler does not listen on 127.0.0.1:",
		"silent": "after 200ms",
		"exit:0": "does not listen",
		"exit:7": "the handler exited with code 7: two,three,four",
	} {
		t.Run(mode, func(t *testing.T) {
			hostJSON := goodHostJSON
			if mode != "exit:7" {
				hostJSON = strings.Replace(hostJSON, `"enableProxyingHttpRequest": true`, shortLimit, 1)
			}
			h, err := Start(t.Context(), Options{
				App: appFolder(t, hostJSON, goodFunctionJSON), Settings: []string{modeSetting + "=" + mode},
			})
			if !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if h != nil {
				t.Error("got a host")
				h.Close()
			}
		})
	}
}

func TestStartCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stdout := &lines{on: func(string) { cancel() }} // the handler waits for a pipe that nobody opens
	pipe := newPipe(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(ctx, Options{
		App: appFolder(t, goodHostJSON, goodFunctionJSON), Settings: []string{modeSetting + "=slow:" + pipe}, Stdout: stdout,
		Listener: listener,
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	id, err := os.ReadFile(pipe + ".pid")
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := strconv.Atoi(string(id)); err != nil || !gone(pid) {
		t.Errorf("the handler %s runs still, %v", id, err)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the front listens still: %v", err)
	}
}

// The context of Start limits the start only.
func TestStartContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h, err := Start(ctx, Options{App: appFolder(t, goodHostJSON, goodFunctionJSON), Settings: []string{modeSetting + "=raw"}})
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Kill(); err != nil {
		t.Error(err)
	}
	if head, _ := get(t, h, "/scim"); statusOf(head) != "200" {
		t.Errorf("got %q", head)
	}
}

// Once Kill returns, calls wait, unless their client leaves.
func TestKillShutsGate(t *testing.T) {
	h := startHost(t, Options{Settings: []string{modeSetting + "=never-again:" + newPipe(t)}})
	if err := h.Kill(); err != nil {
		t.Error(err)
	}
	select {
	case <-h.gate():
		t.Error("calls go to a handler that is dead")
	default:
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.serve(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/scim", nil))
}

// A first failure is not the end: Start goes on.
func TestFailureAtStart(t *testing.T) {
	h := startHost(t, Options{Settings: []string{modeSetting + "=once:" + filepath.Join(t.TempDir(), "mark")}})
	if head, _ := get(t, h, "/scim"); statusOf(head) != "200" || h.Starts() != 2 {
		t.Errorf("got %q after %d starts", head, h.Starts())
	}
}

// crash makes the handler exit, by a call that is not sent again, and returns
// the answer's head.
func crash(t *testing.T, h *Host, code int) string {
	t.Helper()
	head, body := dial(t, h).exchange(t, fmt.Sprintf("POST /do/exit/%d HTTP/1.1\r\nHost: contoso.com\r\nContent-Length: 1\r\n\r\nx", code))
	if body != "" && statusOf(head) == "500" {
		t.Errorf("got the body %q", body)
	}
	return head
}

func TestThreeFailures(t *testing.T) {
	stderr := &lines{}
	h := startHost(t, Options{Stderr: stderr})
	for starts := 2; starts <= 4; starts++ {
		if head := crash(t, h, 3); statusOf(head) != "500" {
			t.Errorf("got %q", head)
		}
		if starts <= 3 {
			waitStarts(t, h, starts)
		}
	}
	<-h.Stopped()
	head, body := get(t, h, "/scim")
	if statusOf(head) != "503" || fieldOf(head, "Content-Type") != "" || body != "Function host is not running." {
		t.Errorf("got %q and %q", head, body)
	}
	if head, _ := get(t, h, "/admin"); statusOf(head) != "503" {
		t.Errorf("got %q", head)
	}
	if err := h.Err(); !errors.Is(err, ErrStopped) || !strings.HasSuffix(err.Error(), "after 3 failures: the handler exited with code 3: asked to exit") {
		t.Errorf("got %v", err)
	}
	if stderr.String() != strings.Repeat("asked to exit\n", 3) {
		t.Errorf("got %q on standard error", stderr)
	}
	if !gone(h.Pid()) || h.Kill() == nil {
		t.Error("there is a handler still")
	}
}

// A call that waits for a restart learns that there is none.
func TestStoppedWhileWaiting(t *testing.T) {
	pipe := newPipe(t)
	waiting := make(chan struct{}, 3)
	h := startHost(t, Options{
		Settings: []string{modeSetting + "=never-again:" + pipe, bodyLimitSetting + "=4"},
		Stdout:   &lines{on: func(string) { waiting <- struct{}{} }},
	})
	crash(t, h, 3)
	<-waiting
	// A body is read before a call waits.
	if head, _ := dial(t, h).exchange(t, "POST /scim HTTP/1.1\r\nHost: contoso.com\r\nContent-Length: 5\r\n\r\nabcde"); statusOf(head) != "500" {
		t.Errorf("got %q", head)
	}
	conn := dial(t, h)
	io.WriteString(conn, "GET /scim HTTP/1.1\r\nHost: contoso.com\r\n\r\n")
	openPipe(pipe)
	<-waiting
	openPipe(pipe)
	if head, err := readHead(conn.r); err != nil || statusOf(head) != "503" {
		t.Errorf("got %q, %v", head, err)
	}
}

// The count starts anew when half an hour passes between two failures.
func TestFailureWindow(t *testing.T) {
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		minutes []int
		stopped bool
	}{
		{[]int{0, 1}, false},
		{[]int{0, 1, 2}, true},
		{[]int{0, 30, 60}, true}, // no window of 30 minutes holds them all
		{[]int{0, 1, 32}, false},
		{[]int{0, 1, 32, 33}, false},
		{[]int{0, 31, 32, 33}, true},
	} {
		f := failures{window: failureWindow}
		stopped := false
		for _, minute := range test.minutes {
			stopped = f.add(start.Add(time.Duration(minute) * time.Minute))
		}
		if stopped != test.stopped {
			t.Errorf("failures at the minutes %v: stopped is %t", test.minutes, stopped)
		}
	}
}

func TestExitZero(t *testing.T) {
	h := startHost(t, Options{})
	for range 2 {
		if head := crash(t, h, 0); statusOf(head) != "500" {
			t.Errorf("got %q", head)
		}
	}
	select {
	case <-h.Stopped():
		t.Errorf("the app is stopped: %v", h.Err())
	default:
	}
	for !gone(h.Pid()) {
		runtime.Gosched() // its sockets close before it is gone
	}
	if h.Starts() != 1 || h.Kill() == nil {
		t.Errorf("the handler was started %d times", h.Starts())
	}
}

// Exit status 200 asks for a restart, as often as it likes.
func TestExit200(t *testing.T) {
	h := startHost(t, Options{})
	for starts := 2; starts <= 5; starts++ {
		crash(t, h, 200)
		waitStarts(t, h, starts)
	}
	if h.Err() != nil {
		t.Error(h.Err())
	}
}

// A kill is a failure: a call waits for the next handler twice, and after the
// third there is none.
func TestKill(t *testing.T) {
	h := startHost(t, Options{})
	for i, status := range []string{"200", "200", "503"} {
		pid := h.Pid()
		if err := h.Kill(); err != nil || !gone(pid) {
			t.Fatalf("the handler runs, %v", err)
		}
		if head, _ := get(t, h, "/scim"); statusOf(head) != status || status == "200" && (h.Pid() == pid || h.Starts() != i+2) {
			t.Errorf("got %q after %d starts", head, h.Starts())
		}
	}
	if err := h.Err(); err == nil || !strings.HasSuffix(err.Error(), "exited with code 137") {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	h := startHost(t, Options{})
	hanging := dial(t, h)
	hanging.Write([]byte("GET /do/hang HTTP/1.1\r\nHost: contoso.com\r\n\r\n"))
	await(t, h, "hanging")
	pid := h.Pid()
	if err := errors.Join(h.Close(), h.Close()); err != nil || !gone(pid) || h.Err() != nil {
		t.Errorf("got %v and %v", err, h.Err())
	}
	if _, err := readHead(hanging.r); err == nil {
		t.Error("a call under way ended well")
	}
	<-h.Stopped()
}
