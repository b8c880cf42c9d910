package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fickle is a backend that answers as well or as badly as the path says.
type fickle struct {
	major   int           // of the HTTP version that it is called with
	leaving sync.Mutex    // held by a call to "left", or others take its value
	left    chan struct{} // gets a value for each of these calls
}

func (f *fickle) answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/scim+json")
	if r.ProtoMajor != f.major {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	switch filepath.Base(r.URL.Path) {
	case "held":
		<-r.Context().Done()
	case "left":
		f.left <- struct{}{}
		<-r.Context().Done()
	case "broken":
		panic(http.ErrAbortHandler)
	case "cut":
		_, _ = io.WriteString(w, `{"emails":[`+strings.Repeat(" ", 100<<10))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "endless":
		_, err := io.WriteString(w, `{"emails":[`)
		for err == nil {
			_, err = io.WriteString(w, strings.Repeat(`"ada@contoso.com",`, 1<<10))
		}
	case "refused":
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, strings.Repeat(" ", 100<<10)) // more than what comes with the header
	default:
		_, _ = io.WriteString(w, `{}`)
	}
}

// ending is a call, and how it comes to its end.
type ending struct {
	target string // method and path
	body   string
	length int    // what Content-Length says; 0: there is none
	token  string // "": the one that is accepted
	status int    // 0: the client goes without an answer
	cut    bool   // the answer does not come to its end
	reads  int    // how much of the answer's body the client reads before it goes; 0: all
}

// endings that take until the deadline, or as long as a check, and others.
var (
	slowEndings = map[string]ending{
		"no answer in time":     {target: "GET /scim/Users/held", status: 504},
		"the credential is bad": {target: "GET /scim/Users/refused", status: 502},
		"the check":             {target: "GET /scim/.well-known/check", status: 200},
	}
	fastEndings = map[string]ending{
		"answered":                   {target: "GET /scim/Users", status: 200},
		"with a body":                {target: "POST /scim/Users", body: "{}", length: 2, status: 200},
		"wrong token":                {target: "POST /scim/Users", body: "{}", length: 9, token: "x", status: 401},
		"broken off":                 {target: "GET /scim/Users/broken", status: 502},
		"the answer is cut":          {target: "GET /scim/Users/cut", status: 200, cut: true},
		"the client goes waiting":    {target: "GET /scim/Users/left"},
		"the client goes sending":    {target: "POST /scim/Users", body: "{}", length: 9},
		"the client goes in the end": {target: "GET /scim/Users/endless", status: 200, reads: 1 << 10},
	}
	refusedEndings = map[string]ending{"no backend": {target: "GET /scim/Users", status: 502}}
)

// play makes the call, and returns how its end was another one.
func (e ending) play(address, accepted string, f *fickle) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(40 * time.Second)); err != nil {
		return err
	}
	if e.token != "" {
		accepted = e.token
	}
	length := ""
	if e.length > 0 {
		length = fmt.Sprintf("Content-Length: %d\r\n", e.length)
	}
	if goes := e.status == 0 && e.length == 0; goes {
		f.leaving.Lock()
		defer f.leaving.Unlock()
	}
	if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n%s", e.target, accepted, length, e.body); err != nil {
		return err
	}
	if e.status == 0 {
		if e.length == 0 {
			select {
			case <-f.left:
			case <-time.After(30 * time.Second):
				return errors.New("the backend does not get the call")
			}
		}
		return nil
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	if response.StatusCode != e.status {
		return fmt.Errorf("%s, want %d", response.Status, e.status)
	}
	if e.reads > 0 {
		_, err = io.ReadFull(response.Body, make([]byte, e.reads))
		return err
	}
	if _, err = io.Copy(io.Discard, response.Body); (err != nil) != e.cut {
		return fmt.Errorf("the answer is cut: %t, want %t", !e.cut, e.cut)
	}
	return nil
}

// perEnding is how many calls come to each end.
const perEnding = 20

// play makes calls to each end, some at a time, and fails if none of a kind comes
// to it: a slow machine may be late for others.
func (f *fickle) play(t *testing.T, p *process, accepted string, endings map[string]ending, atOnce int) {
	var calls sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	var mu sync.Mutex
	met, failed := map[string]int{}, map[string]error{}
	for range perEnding {
		for name, e := range endings {
			slots <- struct{}{}
			calls.Go(func() { // ends with the call
				err := e.play(p.address, accepted, f)
				<-slots
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					met[name]++
				} else {
					failed[name] = err
				}
			})
		}
	}
	calls.Wait()
	for name := range endings {
		if met[name] == 0 {
			t.Errorf("%s: not once in %d calls; the last: %v", name, perEnding, failed[name])
		}
	}
	t.Logf("calls that came to their ends: %v", met)
}

// descriptors is how many files and sockets a process has open.
func (p *process) descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// settle waits until a process has so many open, from least to most.
func (p *process) settle(t *testing.T, least, most int) (open int) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); {
		if open = p.descriptors(t); least <= open && open <= most {
			return open
		}
		time.Sleep(100 * time.Millisecond) // real time: they are another process's
	}
	t.Errorf("%d open files, want %d to %d", open, least, most)
	return open
}

// countsConnections holds the count of open files against connections that are
// known to be open.
func (p *process) countsConnections(t *testing.T, idle int) {
	t.Helper()
	const some = 10
	var opened []net.Conn
	for range some {
		opened = append(opened, p.dial(t))
	}
	p.settle(t, idle+some, idle+some+1)
	for _, conn := range opened {
		conn.Close()
	}
}

// goroutines ends a process, as SIGQUIT does, and returns the stacks of its
// goroutines.
func (p *process) goroutines(t *testing.T) []string {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	p.exit(t)
	stacks := strings.Split(p.errors(), "\ngoroutine ")[1:]
	if len(stacks) < 3 {
		t.Fatalf("no stacks in %s", p.errors())
	}
	return stacks
}

// Whatever becomes of its calls, a process comes back to the files, sockets and
// goroutines of one that had none.
func TestCallsLeaveNothingBehind(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("open files are counted in /proc: ", err)
	}
	for protocol, major := range map[string]int{"http/1.1": 1, "h2": 2} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			f := &fickle{major: major, left: make(chan struct{}, perEnding)}
			b := newBackend(t, f.answer)
			b.TLS.NextProtos = []string{protocol}
			environment := b.environment(t)
			environment["BACKEND_TIMEOUT"], environment["SECRET_REFRESH"] = "5s", "1s"
			quiet, busy := start(t, environment), start(t, environment)
			const allowed = 2 // for what the runtime opens or starts as it goes
			for _, setting := range []string{"ENTRA_TOKEN", "BACKEND_TOKEN", "BACKEND_CA"} {
				busy.await(t, `"setting":"`+setting+`"`) // their files are closed
			}
			idle := busy.descriptors(t)

			busy.countsConnections(t, idle)

			f.play(t, busy, b.entra, slowEndings, len(slowEndings)*perEnding)
			f.play(t, busy, b.entra, fastEndings, 10)
			busy.settle(t, 0, idle+allowed)
			b.CloseClientConnections() // or Close waits for those that were not given up
			b.Close()
			f.play(t, busy, b.entra, refusedEndings, 10)

			left := busy.settle(t, 0, idle+allowed)
			before, after := quiet.goroutines(t), busy.goroutines(t)
			if len(after) > len(before)+allowed {
				t.Errorf("%d goroutines after the calls, %d without any:\n%s", len(after), len(before), strings.Join(after, "\n\n"))
			}
			t.Logf("open files: %d, then %d; goroutines: %d without calls, %d after", idle, left, len(before), len(after))
		})
	}
}
