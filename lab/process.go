package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a child may take to end after SIGTERM before it is killed.
const grace = 10 * time.Second

// child is a process that this one started and has to end.
type child struct {
	name string
	pid  int
	// ended is closed when the process has, and err is set before.
	ended chan struct{}
	err   error

	cancel context.CancelFunc
	ours   []*os.File
}

// childSpec says what to start.
type childSpec struct {
	name, path            string
	args, env             []string
	stdin, stdout, stderr *os.File   // closed here once the child has them; nil is the null device
	ours                  []*os.File // our ends of its pipes, closed when it is stopped
}

// startChild starts a process that runs until it ends by itself or stop is
// called, whatever becomes of the context: who started it says when it ends.
func startChild(ctx context.Context, spec childSpec) (*child, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(ctx, spec.path, spec.args...)
	cmd.Env = spec.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	isolate(cmd)
	// A nil *os.File in an interface is not nil.
	if spec.stdin != nil {
		cmd.Stdin = spec.stdin
		defer spec.stdin.Close()
	}
	if spec.stdout != nil {
		cmd.Stdout = spec.stdout
		defer spec.stdout.Close()
	}
	if spec.stderr != nil {
		cmd.Stderr = spec.stderr
		defer spec.stderr.Close()
	}
	if err := cmd.Start(); err != nil {
		cancel()
		closeAll(spec.ours)
		return nil, fmt.Errorf("start the %s: %w", spec.name, err)
	}
	c := &child{name: spec.name, pid: cmd.Process.Pid, ended: make(chan struct{}), cancel: cancel, ours: spec.ours}
	go func() { // ends with the process, which stop ends
		c.err = cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// stop ends the process by SIGTERM, after the grace by SIGKILL, and waits.
func (c *child) stop() {
	c.cancel()
	<-c.ended
	closeAll(c.ours)
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}

// death describes a process that ended although nobody asked it to, and is nil
// while it runs.
func (c *child) death() error {
	select {
	case <-c.ended:
	default:
		return nil
	}
	if c.err != nil {
		return fmt.Errorf("the %s (pid %d) ended by itself: %w", c.name, c.pid, c.err)
	}
	return fmt.Errorf("the %s (pid %d) ended by itself", c.name, c.pid)
}

// kept names the variables of our own environment that a child gets. A list of
// what passes and not of what does not: no setting of the proxy, nothing that
// makes it believe it runs in Azure, no proxy of the network.
func kept() []string {
	return []string{
		"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TMP", "TEMP",
		"SYSTEMROOT", "USERPROFILE", // Windows
		"GOCOVERDIR", "GODEBUG", "GOTRACEBACK",
	}
}

// childEnvironment is what is kept of the parent's environment, and the
// settings given.
func childEnvironment(parent []string, settings ...string) []string {
	names := map[string]bool{}
	for _, name := range kept() {
		names[name] = true
	}
	var env []string
	for _, variable := range parent {
		name, _, _ := strings.Cut(variable, "=")
		if names[strings.ToUpper(name)] {
			env = append(env, variable)
		}
	}
	return append(env, settings...)
}
