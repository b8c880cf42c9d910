package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/host"
	"example.com/entra-scim-proxy/lab/pki"
)

const (
	// The inside, of which nothing may be seen from outside.
	insideName = "scim.corp.example.com"
	insideCA   = "Inside Canary CA"
	insideBase = "/inside-base/v2"
	// canary is in whatever a backend says that may reach nobody: neither a
	// client nor the log.
	canary = "canary"
)

// answerAuthority is the company's own, whose certificate is in BACKEND_CA.
func answerAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	authority, err := pki.New(insideCA)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// answerWorld is the real handler in front of a backend that a test plays byte
// by byte.
type answerWorld struct {
	name    string
	backend string // its address
	caFile  string
	log     answerLog
	hosted  bool // behind the Functions host
	token   string
	// inside is what no client may see, unhandled what the log may not hold
	// either.
	inside, unhandled []string

	front string
	pid   int
}

// answerPlace says where a handler runs and with which settings beside those
// that every world has.
type answerPlace struct {
	name     string
	hosted   bool
	settings []string
}

// startAnswerWorld starts a handler for the backend at an address, and ends it
// with the test.
func startAnswerWorld(t *testing.T, app string, place answerPlace, ca []byte, backend string) *answerWorld {
	t.Helper()
	dir := t.TempDir()
	w := &answerWorld{
		name: place.name, backend: backend, hosted: place.hosted, token: "entra-token-of-" + place.name,
		caFile: filepath.Join(dir, "inside-ca.pem"),
		log:    answerLog{arrived: make(chan struct{}, 1)},
	}
	backendToken := "backend-token-of-" + place.name
	w.unhandled = []string{w.token, backendToken, backend, insideBase, canary, dir}
	w.inside = append([]string{insideName, insideCA}, w.unhandled...)
	for path, content := range map[string]string{
		w.caFile: string(ca), filepath.Join(dir, "entra"): w.token, filepath.Join(dir, "backend"): backendToken,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings := append([]string{
		"BACKEND_URL=https://" + backend + insideBase, "BACKEND_SERVER_NAME=" + insideName, "BACKEND_CA=file:" + w.caFile,
		"ENTRA_TOKEN=file:" + filepath.Join(dir, "entra"), "BACKEND_TOKEN=file:" + filepath.Join(dir, "backend"),
		"PUBLIC_URL=https://scim.example.com",
	}, place.settings...)
	if w.hosted {
		w.startHosted(t, app, settings)
	} else {
		w.startAlone(t, app, settings)
	}
	return w
}

func (w *answerWorld) startHosted(t *testing.T, app string, settings []string) {
	t.Helper()
	h, err := host.Start(t.Context(), host.Options{App: app, Settings: settings, Stdout: &w.log, Stderr: &w.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	w.front, w.pid = strings.TrimPrefix(h.URL(), "http://"), h.Pid()
}

func (w *answerWorld) startAlone(t *testing.T, app string, settings []string) {
	t.Helper()
	// Not t.Context: the process gets its end from Cleanup, after the test.
	command := exec.CommandContext(context.Background(), filepath.Join(app, "handler"))
	command.Env, command.Stdout, command.Stderr = append(settings, "PORT=0"), &w.log, &w.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line := w.log.await(t, func(line map[string]any) bool { return line["msg"] == "listening" })
	w.front, _ = line["address"].(string)
	w.pid = command.Process.Pid
}

// answerLog is what a handler writes, to either output.
type answerLog struct {
	mu      sync.Mutex
	text    strings.Builder
	arrived chan struct{}
}

func (l *answerLog) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.arrived <- struct{}{}:
	default:
	}
	return l.text.Write(data)
}

func (l *answerLog) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	whole := text[:strings.LastIndex(text, "\n")+1]
	return strings.Split(strings.TrimSuffix(whole, "\n"), "\n")
}

// await waits for the first line of a kind.
func (l *answerLog) await(t *testing.T, is func(map[string]any) bool) map[string]any {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		for _, text := range l.lines() {
			var line map[string]any
			if json.Unmarshal([]byte(text), &line) == nil && is(line) {
				return line
			}
		}
		select {
		case <-l.arrived:
		case <-time.After(time.Second): // another waiter took the word
		case <-limit:
			t.Errorf("the line did not come; the log is %s", strings.Join(l.lines(), "\n"))
			return nil
		}
	}
}

// memory returns a figure of the handler's in /proc, such as VmHWM, in bytes.
// Where there is no /proc it is 0.
func (w *answerWorld) memory(t *testing.T, figure string) int {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", w.pid))
	if err != nil {
		return 0
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if fields := strings.Fields(scanner.Text()); len(fields) > 1 && fields[0] == figure+":" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("there is no %s", figure)
	return 0
}

// dial opens a connection to the front.
func (w *answerWorld) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.front)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(90 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}
