package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test binary be the handler: a process of its own, with the
// real main.
func TestMain(m *testing.M) {
	if os.Getenv("HANDLER_TEST_MAIN") == "1" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// process is a running handler.
type process struct {
	command *exec.Cmd
	address string
	ended   chan struct{} // closed when both outputs are read to their end

	mu     sync.Mutex
	lines  []string
	stderr strings.Builder
	arrive chan struct{} // gets a value for each line
}

// start runs the handler with the environment given and waits until it listens.
func start(t *testing.T, environment map[string]string) *process {
	t.Helper()
	p := launch(t, environment)
	line := p.await(t, `"msg":"listening"`)
	var fields struct{ Address string }
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatal(err)
	}
	p.address = fields.Address
	return p
}

// launch runs the handler without waiting for it.
func launch(t *testing.T, environment map[string]string, arguments ...string) *process {
	t.Helper()
	// Not t.Context: the process gets its end from Cleanup, after the test.
	p := &process{
		command: exec.CommandContext(context.Background(), os.Args[0], arguments...),
		ended:   make(chan struct{}), arrive: make(chan struct{}, 100_000),
	}
	p.command.Env = []string{"HANDLER_TEST_MAIN=1"}
	for name, value := range environment {
		p.command.Env = append(p.command.Env, name+"="+value)
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { // ends with the process
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, scanner.Text())
			p.mu.Unlock()
			p.arrive <- struct{}{}
		}
	})
	readers.Go(func() { // ends with the process
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			p.mu.Lock()
			p.stderr.WriteString(scanner.Text() + "\n")
			p.mu.Unlock()
		}
	})
	go func() { // ends with the process
		readers.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		p.exit(t)
	})
	return p
}

// output returns the lines of standard output so far.
func (p *process) output() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.lines...)
}

func (p *process) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// await waits for the first line of standard output that holds the text.
func (p *process) await(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		for _, line := range p.output() {
			if strings.Contains(line, text) {
				return line
			}
		}
		select {
		case <-p.arrive:
		case <-p.ended:
			t.Fatalf("the handler ended without a line that holds %s:\n%s%s", text, strings.Join(p.output(), "\n"), p.errors())
		case <-limit:
			t.Fatalf("no line holds %s:\n%s", text, strings.Join(p.output(), "\n"))
		}
	}
}

// exit waits for the end of the process and returns its exit status.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(60 * time.Second):
		t.Fatal("the handler does not end")
	}
	// A second Wait reports an error, but the state stays.
	if err := p.command.Wait(); err != nil && p.command.ProcessState == nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return p.command.ProcessState.ExitCode()
}

func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func (p *process) dial(t *testing.T) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(40 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}
