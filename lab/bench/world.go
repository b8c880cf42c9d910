package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
)

// Program says what to start.
type Program struct {
	// Name is for messages.
	Name string
	// Path is that of the program; Args and Settings (NAME=value) are what it
	// gets, beside what the starter adds.
	Path           string
	Args, Settings []string
	// Stdin, Stdout and Stderr are the child's and closed by the starter; nil
	// is the null device.
	Stdin, Stdout, Stderr *os.File
}

// Process is a running program.
type Process struct {
	// PID identifies it.
	PID int
	// Ended is closed once it has ended.
	Ended <-chan struct{}
	// Stop ends it, and waits.
	Stop func()
}

// startLimit bounds the wait for a process to be ready.
const startLimit = 10 * time.Second

// serverName is the only name in the backend's certificate.
const serverName = "scim.corp.example.com"

// world is what the subjects are measured in.
type world struct {
	options                  Options
	authority                *pki.Authority
	entraToken, backendToken string
	deck                     []call
	backends                 map[string]string // offer to host:port
	processes                []*Process
	ours                     []*os.File
}

func newWorld(options Options) (*world, error) {
	authority, err := pki.New("Bench Private CA")
	if err != nil {
		return nil, err
	}
	w := &world{options: options, authority: authority, entraToken: rand.Text(), backendToken: rand.Text(), backends: map[string]string{}}
	w.deck = newDeck(w.entraToken)
	for name, content := range map[string]string{
		"ca.pem": string(authority.PEM()), "backend-token": w.backendToken, "entra-token": w.entraToken,
	} {
		if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return w, nil
}

func (w *world) path(name string) string { return filepath.Join(w.options.Dir, name) }

// close ends the backends.
func (w *world) close() {
	for _, p := range slices.Backward(w.processes) {
		p.Stop()
	}
	for _, file := range w.ours {
		file.Close()
	}
}

// startBackend starts a backend and waits until it listens.
func (w *world) startBackend(ctx context.Context, offer string) error {
	certificate, key, err := w.authority.Issue(pki.Leaf{Names: []string{serverName}})
	if err != nil {
		return err
	}
	config, err := json.Marshal(backendConfig{Offer: offer, Token: w.backendToken, Certificate: string(certificate), Key: string(key)})
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	stdin, toChild, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	fromChild, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("make a pipe: %w", err), stdin.Close(), toChild.Close())
	}
	w.ours = append(w.ours, toChild, fromChild)
	p, err := w.options.Start(ctx, Program{
		Name: "backend", Path: w.options.Self, Args: []string{BackendCommand}, Stdin: stdin, Stdout: stdout,
	})
	if err != nil {
		return err
	}
	w.processes = append(w.processes, p)
	if _, err := toChild.Write(append(config, '\n')); err != nil {
		return fmt.Errorf("configure the backend: %w", err)
	}
	if err := fromChild.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return fmt.Errorf("wait for the backend: %w", err)
	}
	address, err := bufio.NewReader(fromChild).ReadString('\n')
	if err != nil {
		return fmt.Errorf("wait for the backend: %w", err)
	}
	w.backends[offer] = strings.TrimSpace(address)
	return nil
}

// proxyProcess is a proxy that answers.
type proxyProcess struct {
	*Process
	address string
	output  *tail
	read    sync.WaitGroup
	toFirst time.Duration // from before the exec to the first answer
}

// startProxy starts a subject in front of a backend and waits for the first
// answer.
func (w *world) startProxy(ctx context.Context, s subject, offer string) (*proxyProcess, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	// The Functions host reads a pipe, too.
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p := &proxyProcess{address: net.JoinHostPort("127.0.0.1", port), output: new(tail)}
	start := time.Now()
	p.Process, err = w.options.Start(ctx, Program{
		Name: s.name, Path: s.path(w.options), Args: s.args, Stdout: writer, Stderr: writer,
		Settings: append([]string{
			"PORT=" + port,
			"BACKEND_URL=https://" + w.backends[offer] + basePath,
			"BACKEND_SERVER_NAME=" + serverName,
			"BACKEND_CA=file:" + w.path("ca.pem"),
			"BACKEND_TOKEN=file:" + w.path("backend-token"),
			"ENTRA_TOKEN=file:" + w.path("entra-token"),
		}, s.environment...),
	})
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	p.read.Go(func() { // ends with the child, which holds the only other end
		defer reader.Close()
		_, _ = io.Copy(p.output, reader) // what came is what there is to show
	})
	if err := p.awaitAnswer(ctx); err != nil {
		return nil, errors.Join(err, p.end())
	}
	p.toFirst = time.Since(start)
	return p, nil
}

// awaitAnswer asks as the Functions host does, but more often.
func (p *proxyProcess) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(250 * time.Microsecond)
	defer tick.Stop()
	ping := newPing()
	for {
		if _, err := fetch(ctx, p.address, ping, io.Discard); err == nil {
			return nil
		}
		select {
		case <-p.Ended:
			return errors.New("no answer came")
		case <-ctx.Done():
			return fmt.Errorf("wait for an answer: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// end stops the process. It fails, with the last of what the process said, if
// there was none to stop.
func (p *proxyProcess) end() error {
	select {
	case <-p.Ended:
		p.Stop()
		p.read.Wait()
		return fmt.Errorf("the process (pid %d) ended by itself: %s", p.PID, p.output)
	default:
	}
	p.Stop()
	p.read.Wait()
	return nil
}

// protocol asks the backend what a proxy speaks to it.
func (w *world) protocol(ctx context.Context, address string) (string, error) {
	var answer strings.Builder
	_, err := fetch(ctx, address, newGet(protocolPath, w.entraToken), &answer)
	return answer.String(), err
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

// tail keeps the last bytes written to it.
type tail struct {
	kept []byte
}

func (t *tail) Write(data []byte) (int, error) {
	const most = 2 << 10
	t.kept = append(t.kept, data[max(0, len(data)-most):]...)
	t.kept = t.kept[max(0, len(t.kept)-most):]
	return len(data), nil
}

func (t *tail) String() string { return string(t.kept) }
