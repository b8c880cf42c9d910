package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
)

const (
	// pipeLimit is how long the streams of a process that has ended may stay
	// open: one that it started may hold them still.
	pipeLimit = time.Second
	// killLimit is how long a killed process may take to be gone, with its
	// streams read to their end. The real host waits a second, logs, and lets it
	// be (host, WorkerProcess.cs:29, 269-273). Here it is an error, and thus
	// beyond what a busy machine takes for it.
	killLimit = 10 * time.Second
)

// process is one life of the handler.
type process struct {
	command        *exec.Cmd
	stdout, stderr *console
	ended          chan struct{} // closed when it has, and code is set before
	code           int
	disposed       chan struct{} // closed when the host has taken notice of its end
}

// startProcess starts the executable. It runs in the app's folder, with no
// standard input.
func startProcess(h *Host) (*process, error) {
	if h.options.Hostname != "" {
		addExecuteBit(h.app.executable)
	}
	p := &process{
		stdout: &console{mu: &h.console, to: h.options.Stdout},
		stderr: &console{mu: &h.console, to: h.options.Stderr},
		ended:  make(chan struct{}), disposed: make(chan struct{}),
	}
	// The end of the process is kill's business, not a context's.
	p.command = exec.CommandContext(context.Background(), h.app.executable)
	p.command.Dir = h.app.folder
	// Of a name that is there twice, the last counts.
	id := uuid.NewString()
	p.command.Env = slices.Concat(h.environment,
		[]string{"FUNCTIONS_CUSTOMHANDLER_WORKER_ID=" + id, "FUNCTIONS_HTTPWORKER_ID=" + id})
	p.command.Stdout, p.command.Stderr = p.stdout, p.stderr
	p.command.WaitDelay = pipeLimit
	isolate(p.command)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start the handler: %w", err)
	}
	go func() { // ends with the process, which kill ends
		_ = p.command.Wait() // the state says more
		p.stdout.end()
		p.stderr.end()
		p.code = exitCode(p.command.ProcessState)
		close(p.ended)
	}()
	return p, nil
}

// exitCode is a signal's number and 128 for a process that a signal ended, as
// .NET has it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// addExecuteBit does what the host does on Linux Consumption and Flex, as best
// it can (host, WorkerProcess.cs:77-80, 330-359).
func addExecuteBit(path string) {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&0o100 != 0 {
		return
	}
	_ = os.Chmod(path, info.Mode()|0o111) // a read-only package may refuse
}

// gone reports whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill ends the process and all it started, and waits for it. Of a
// process that has ended it leaves the id alone: it may be somebody else's.
func (p *process) kill() error {
	if p.gone() {
		return nil
	}
	killGroup(p.command.Process)
	select {
	case <-p.ended:
		return nil
	case <-time.After(killLimit):
		return fmt.Errorf("host: the handler (pid %d) outlives SIGKILL, or a writer its lines", p.command.Process.Pid)
	}
}

// environment is what the handler gets: of this process's own only what a
// program needs to run at all, then what the platform sets, then the app
// settings, then what the host sets for a custom handler (host,
// HttpWorkerProcess.cs:58-62).
func environment(app app, options Options, port int, front string) []string {
	var variables []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains(inherited(), strings.ToUpper(name)) {
			variables = append(variables, variable)
		}
	}
	variables = append(variables, platform(options.Hostname, front)...)
	variables = append(variables, options.Settings...)
	number := strconv.Itoa(port)
	variables = append(variables,
		"FUNCTIONS_APP_ROOT_PATH="+app.folder,
		"FUNCTIONS_CUSTOMHANDLER_PORT="+number,
		"FUNCTIONS_HTTPWORKER_PORT="+number,
	)
	if app.port != 0 {
		// HttpWorkerOptionsSetup.cs: hosts do not overlap on a fixed port.
		variables = append(variables, "AzureFunctionsJobHost__SequentialRestart=true")
	}
	return variables
}

// inherited names what passes of this process's environment.
func inherited() []string {
	return []string{
		"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TMP", "TEMP",
		"SYSTEMROOT", "USERPROFILE", // Windows
		"GOCOVERDIR", "GODEBUG", "GOTRACEBACK",
	}
}

// platform is what Azure sets on Flex Consumption, or Core Tools without a
// hostname. Only what apps look at is here.
func platform(hostname, front string) []string {
	common := []string{"FUNCTIONS_WORKER_RUNTIME=custom", "FUNCTIONS_EXTENSION_VERSION=~4"}
	if hostname == "" {
		return append(common, "FUNCTIONS_CORETOOLS_ENVIRONMENT=True",
			"AZURE_FUNCTIONS_ENVIRONMENT=Development", "WEBSITE_HOSTNAME="+front)
	}
	site, _, _ := strings.Cut(hostname, ".")
	return append(common, "AZURE_FUNCTIONS_ENVIRONMENT=Production", "WEBSITE_HOSTNAME="+hostname,
		"WEBSITE_SITE_NAME="+site, "WEBSITE_SKU=FlexConsumption",
		"WEBSITE_POD_NAME="+site+"-0", "WEBSITE_INSTANCE_ID="+uuid.NewString())
}

// lastKept is how many lines of standard error a failure tells (host,
// WorkerProcessUtilities.cs:12, 23-35).
const lastKept = 3

// console takes what a process writes to one of its streams, and passes it on in
// whole lines. It never fails, so that the process cannot be harmed.
type console struct {
	mu   *sync.Mutex // shared by both streams, which may share a writer
	to   io.Writer   // nil discards
	rest []byte
	kept []string
}

// Write takes a piece of the stream.
func (c *console) Write(piece []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest = append(c.rest, piece...)
	for {
		end := bytes.IndexByte(c.rest, '\n') + 1
		if end == 0 {
			return len(piece), nil
		}
		c.line(c.rest[:end])
		c.rest = c.rest[end:]
	}
}

// end passes on what has no line end.
func (c *console) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rest) > 0 {
		c.line(append(c.rest, '\n'))
	}
}

// line passes one on, its end included. Of standard error the host keeps the
// last ones that are errors to it: those without "warn" (host,
// WorkerProcess.cs:120-154).
func (c *console) line(line []byte) {
	if text := strings.TrimRight(string(line), "\r\n"); !strings.Contains(strings.ToLower(text), "warn") {
		c.kept = append(c.kept, text)
		if len(c.kept) > lastKept {
			c.kept = c.kept[1:]
		}
	}
	if c.to != nil {
		_, _ = c.to.Write(line) // nobody to tell
	}
}

// last returns the lines kept, the oldest first. An empty one took the place of
// another, but is not told (host, WorkerProcess.cs:179).
func (c *console) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(slices.DeleteFunc(slices.Clone(c.kept), func(text string) bool { return text == "" }), ",")
}

// executable finds what host.json names: a file of the app's folder, or else a
// command of PATH (host, HttpWorkerDescription.cs:49-57).
func executable(folder, name string) (string, error) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(folder, name)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	found, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: host.json names the executable %q, which is neither in the folder nor in PATH", ErrApp, name)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrApp, err)
	}
	return found, nil
}
