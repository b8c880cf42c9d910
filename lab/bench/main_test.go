package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the test binary stand in for the lab's.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		run := map[string]func() error{
			PlainCommand:   func() error { return Plain(context.Background(), os.Getenv) },
			BackendCommand: func() error { return Backend(context.Background(), os.Stdin, os.Stdout) },
		}[os.Args[1]]
		if run != nil {
			fmt.Fprintln(os.Stderr, run())
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(builtIn); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// builtIn is the directory of what build made; empty if it was not asked to.
var builtIn string

// build makes the real proxy, as the Makefile does.
var build = sync.OnceValues(func() (path string, err error) {
	if builtIn, err = os.MkdirTemp("", "entra-scim-bench-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(builtIn, "handler")
	command := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../../handler")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return path, nil
})

// start is the lab's startProgram, in short.
func start(ctx context.Context, program Program) (*Process, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program.Path, program.Args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, program.Settings...)
	for _, each := range []struct {
		file *os.File
		set  func()
	}{
		{program.Stdin, func() { cmd.Stdin = program.Stdin }},
		{program.Stdout, func() { cmd.Stdout = program.Stdout }},
		{program.Stderr, func() { cmd.Stderr = program.Stderr }},
	} {
		if each.file != nil {
			each.set()
			defer each.file.Close()
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { // ends with the process
		defer close(ended)
		_ = cmd.Wait() // ended by a signal
	}()
	return &Process{PID: cmd.Process.Pid, Ended: ended, Stop: func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // or it has ended already
		<-ended
	}}, nil
}
