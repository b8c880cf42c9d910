package failure

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// limit is how long anything may take that is awaited: the machine may stall.
const limit = 60 * time.Second

// build makes the folder of the packaged proxy, as the Makefile does.
var build = sync.OnceValues(func() (dir string, err error) {
	if builtIn, err = os.MkdirTemp("", "entra-scim-failure-"); err != nil {
		return "", err
	}
	for to, from := range map[string]string{"host.json": "host.json", "scim/function.json": "function.json"} {
		content, err := os.ReadFile(filepath.Join("..", "..", from))
		if err != nil {
			return "", err
		}
		to = filepath.Join(builtIn, filepath.FromSlash(to))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, content, 0o600)); err != nil {
			return "", err
		}
	}
	command := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(builtIn, "handler"), "../../handler")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return builtIn, nil
})

// builtIn is the directory of what app built; empty if it was not asked to.
var builtIn string

// app is the folder of the packaged proxy.
func app(t *testing.T) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// journal is the proxy's log, of all its lives.
type journal struct {
	mu    sync.Mutex
	lines []line
	texts []string
}

// line is what counts here of one of the log.
type line struct {
	Level, Msg, Method, Class, Cause, Remedy string
	RequestID                                string `json:"request_id"`
	Status                                   int
	Address                                  string
}

// String is how a line is named in the table. The zero line is none.
func (l line) String() string {
	switch l.Msg {
	case "":
		return noLine
	case "exchange":
	default:
		return l.Level + ` "` + l.Msg + `"`
	}
	return strings.TrimSpace(l.Level + " " + l.Class)
}

// Write takes whole lines, or pieces of them from nobody: bufio and the host
// both deliver lines.
func (j *journal) Write(text []byte) (int, error) {
	var l line
	_ = json.Unmarshal(text, &l) // what is no JSON is looked at as text only
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines, j.texts = append(j.lines, l), append(j.texts, string(text))
	return len(text), nil
}

// all returns the lines so far.
func (j *journal) all() []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// text is the whole log.
func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.texts, "")
}

// find returns the first line from a position on for which ok holds.
func (j *journal) find(from int, ok func(line) bool) (line, bool) {
	lines := j.all()
	from = min(from, len(lines))
	if i := slices.IndexFunc(lines[from:], ok); i >= 0 {
		return lines[from+i], true
	}
	return line{}, false
}

// process is the handler, run by nobody but the test.
type process struct {
	command *exec.Cmd
	ended   chan struct{}
}

// startProcess starts it and returns once it listens.
func startProcess(t *testing.T, settings []string, log *journal) *process {
	t.Helper()
	p := &process{command: exec.CommandContext(context.Background(), filepath.Join(app(t), "handler")), ended: make(chan struct{})}
	p.command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, settings...)
	reader, writer := io.Pipe()
	p.command.Stdout, p.command.Stderr = writer, writer
	from := len(log.all())
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { // ends with the process
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			_, _ = log.Write(append(scanner.Bytes(), '\n'))
		}
		close(read)
	}()
	go func() { // ends with the process, which the test ends
		_ = p.command.Wait()
		writer.Close()
		<-read
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	until(t, "the handler listens", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("the handler ended:\n%s", log.text())
		default:
		}
		_, ok := log.find(from, func(l line) bool { return l.Msg == "listening" })
		return ok
	})
	return p
}

// kill ends it by SIGKILL and waits.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may have ended
	<-p.ended
}

// until waits until something is so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) { // it happens in another process
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to pass that %s", what)
		}
	}
}

// portOf is the port of an address.
func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
