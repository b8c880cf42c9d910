//go:build unix

package host

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// modeSetting makes the test binary a custom handler that works on raw
// sockets, and says which.
const modeSetting = "HOST_TEST_HANDLER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeSetting); mode != "" {
		fmt.Fprintln(os.Stderr, runHandler(mode))
		os.Exit(99)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(builtIn); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// rawHandler answers with what it got, byte for byte, unless the path or the
// field X-Reply says otherwise.
type rawHandler struct {
	released chan struct{}

	mu   sync.Mutex
	seen []string
}

// runHandler is the handler's main.
func runHandler(mode string) error {
	mode, argument, _ := strings.Cut(mode, ":")
	switch mode {
	case "exit": // before it listens
		code, _ := strconv.Atoi(argument)
		fmt.Fprint(os.Stderr, "one\ntwo\na WARNing\nthree\nfour")
		os.Exit(code)
	case "deaf": // never listens
		time.Sleep(time.Hour)
	case "slow": // listens once somebody opens the pipe
		if err := os.WriteFile(argument+".pid", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			return err
		}
		fmt.Println("waiting")
		file, err := os.Open(argument)
		if err != nil {
			return err
		}
		file.Close()
	case "hold": // until somebody opens the pipe
		_, err := os.Open(argument)
		return err
	case "never-again": // listens at its first start only, and then fails once somebody opens the pipe
		file, err := os.OpenFile(argument+".mark", os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			file.Close()
			break
		}
		fmt.Println("waiting")
		if file, err = os.Open(argument); err == nil {
			file.Close()
		}
		os.Exit(1)
	case "once": // fails at its first start, and after that is a good one
		if file, err := os.OpenFile(argument, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			file.Close()
			os.Exit(1)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		return err
	}
	h := &rawHandler{released: make(chan struct{})}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		if mode == "silent" {
			continue
		}
		if mode == "reset" {
			if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
				return err
			}
			conn.Close()
			continue
		}
		if mode == "garbage" {
			io.WriteString(conn, "no HTTP at all\r\n\r\n")
			conn.Close()
			continue
		}
		go h.converse(conn, mode) // ends with the connection
	}
}

func (h *rawHandler) converse(conn net.Conn, mode string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, err := readHead(r)
		if err != nil {
			return
		}
		h.note(head)
		body, err := readBodyOf(head, r, h.note)
		if err != nil {
			h.note("broken body\n")
			return
		}
		path := strings.Fields(head)[1]
		if mode == "redirect" && path == "/" {
			io.WriteString(conn, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		h.answer(conn, r, path, head, body)
	}
}

// answer does what the path says.
func (h *rawHandler) answer(conn net.Conn, r *bufio.Reader, path, head, body string) {
	switch first, argument, _ := strings.Cut(strings.TrimPrefix(path, "/do/"), "/"); first {
	case "exit":
		code, _ := strconv.Atoi(argument)
		fmt.Fprintln(os.Stderr, "asked to exit")
		os.Exit(code)
	case "drop":
		conn.Close()
	case "environment":
		folder, _ := os.Getwd()
		reply(conn, strings.Join(append(os.Environ(), "the working directory="+folder), "\n"))
	case "orphan": // starts a process that holds the streams, in a session of its own
		orphan := exec.Command(os.Args[0])
		orphan.Env = []string{modeSetting + "=hold:" + os.Getenv("PIPE")}
		orphan.Stdout, orphan.Stderr = os.Stdout, os.Stderr
		orphan.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		reply(conn, fmt.Sprint(orphan.Start()))
	case "print":
		fmt.Fprint(os.Stdout, "half ")
		fmt.Fprint(os.Stdout, "and half\nlast")
		fmt.Fprint(os.Stderr, "to stderr\n")
		reply(conn, "")
	case "seen":
		h.mu.Lock()
		defer h.mu.Unlock()
		reply(conn, strings.Join(h.seen, ""))
	case "stream":
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nfirst\r\n")
		<-h.released
		io.WriteString(conn, "4\r\nlast\r\n0\r\nX-Sum: 9\r\n\r\n")
	case "drip":
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
		<-h.released
		io.WriteString(conn, "last")
	case "release":
		h.released <- struct{}{}
		reply(conn, "")
	case "cut":
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
		conn.Close()
	case "hang":
		h.note("hanging\n")
		_, _ = r.ReadByte() // until the host gives up
		h.note("given up\n")
	default:
		if field := fieldOf(head, "X-Reply"); field != "" {
			raw, _ := base64.StdEncoding.DecodeString(field)
			conn.Write(raw)
			return
		}
		reply(conn, head+body)
	}
}

func (h *rawHandler) note(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, text)
}

func reply(w io.Writer, body string) {
	fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// readHead reads the first line and the fields of a message, as they are.
func readHead(r *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return head.String(), err
		}
		head.WriteString(line)
		if line == "\r\n" {
			return head.String(), nil
		}
	}
}

// readBodyOf reads a message's body, framing included, and notes its pieces.
func readBodyOf(head string, r *bufio.Reader, note func(string)) (string, error) {
	if length := fieldOf(head, "Content-Length"); length != "" {
		n, _ := strconv.Atoi(length)
		body := make([]byte, n)
		_, err := io.ReadFull(r, body)
		return string(body), err
	}
	if fieldOf(head, "Transfer-Encoding") == "" {
		return "", nil
	}
	var body strings.Builder
	for {
		size, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		body.WriteString(size)
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil {
			return "", err
		}
		if n == 0 {
			trailers, err := readHead(r)
			return body.String() + trailers, err
		}
		piece := make([]byte, n+2)
		if _, err := io.ReadFull(r, piece); err != nil {
			return "", err
		}
		note("piece " + string(piece))
		body.Write(piece)
	}
}

// fieldOf returns the value of the first field of a name, in any case.
func fieldOf(head, name string) string {
	for line := range strings.SplitSeq(head, "\r\n") {
		if field, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(field, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// goodHostJSON and goodFunctionJSON are the shape of the package that ships.
const (
	goodHostJSON = `{"version": "2.0", "extensions": {"http": {"routePrefix": ""}},
  "customHandler": {"description": {"defaultExecutablePath": "handler"}, "enableProxyingHttpRequest": true}}`
	goodFunctionJSON = `{"bindings": [
  {"type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "anonymous", "route": "{*path}",
   "methods": ["get", "head", "post", "put", "patch", "delete", "options"]},
  {"type": "http", "direction": "out", "name": "res"}]}`
)

// appFolder makes an app whose handler is this test binary.
func appFolder(t testing.TB, hostJSON, functionJSON string) string {
	t.Helper()
	folder := t.TempDir()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(folder, "handler")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "host.json"), hostJSON)
	if functionJSON != "" {
		writeFile(t, filepath.Join(folder, "scim", "function.json"), functionJSON)
	}
	return folder
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startHost starts an app with a raw handler; what is zero in options becomes
// the usual.
func startHost(t testing.TB, options Options) *Host {
	t.Helper()
	if options.App == "" {
		options.App = appFolder(t, goodHostJSON, goodFunctionJSON)
	}
	options.Settings = append([]string{modeSetting + "=raw"}, options.Settings...)
	h, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// client is a connection to the front, over which bytes go as they are.
type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, h *Host) *client {
	t.Helper()
	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{conn, bufio.NewReader(conn)}
}

// exchange sends a request and returns the answer's head and body.
func (c *client) exchange(t testing.TB, raw string) (head, body string) {
	t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	head, err := readHead(c.r)
	if err != nil {
		t.Fatalf("read the answer to %q: %v", raw, err)
	}
	body, err = readBodyOf(head, c.r, func(string) {})
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("read the answer to %q: %v", raw, err)
	}
	return head, body
}

// get is one GET of a path over a connection of its own.
func get(t *testing.T, h *Host, path string) (head, body string) {
	t.Helper()
	return dial(t, h).exchange(t, "GET "+path+" HTTP/1.1\r\nHost: contoso.com\r\n\r\n")
}

// statusOf is the status of an answer's head.
func statusOf(head string) string {
	fields := strings.Fields(head)
	if len(fields) < 2 {
		return head
	}
	return fields[1]
}
