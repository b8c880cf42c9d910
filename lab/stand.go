package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/entra-scim-proxy/lab/pki"
	"example.com/entra-scim-proxy/lab/vault"
)

const (
	backendName = "scim.corp.example.com" // the only name in its certificate
	backendPath = "/rest/scim/v2"
	proxyPath   = "/scim" // the proxy's default
	tenantFlag  = "aadOptscim062020"
	// startLimit bounds the wait for a child to be ready.
	startLimit = 10 * time.Second
)

// stand is one set-up of the lab: a private authority, fresh tokens, a backend
// and the proxy in front of it, each a process of its own, and a directory that
// nobody else can read for what they share.
type stand struct {
	dir                      string
	authority                *pki.Authority
	entraToken, backendToken string
	vault                    *vault.Server // nil: the proxy reads its secrets from files
	secrets                  []string      // the proxy's settings of secrets, and what it needs to read them

	port, origin   string // of the proxy
	normalize      string // the proxy's setting NORMALIZE
	backendAddress string // host:port, once the backend runs
	toBackend      *os.File
	logs           []string
	children       []*child // in the order of their start
}

// newStand makes what the processes need, for a proxy on the given port with
// the given rules, and starts none of them. Keep puts the secrets where the
// proxy reads them: writeSecrets or openVault. Close removes everything.
func newStand(port int, normalize string, keep func(*stand) error) (s *stand, err error) {
	s = &stand{
		normalize:    normalize,
		entraToken:   newToken(),
		backendToken: newToken(),
		port:         strconv.Itoa(port),
		origin:       "http://127.0.0.1:" + strconv.Itoa(port),
	}
	if s.authority, err = pki.New("Lab Private CA"); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "entra-scim-lab-"); err != nil { // 0700
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	if err := keep(s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// newToken is 256 random bits, as they can stand in a header.
func newToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *stand) path(name string) string { return filepath.Join(s.dir, name) }

// tenantURLs are what an administrator could type into the portal, one for each
// of Entra's dialects.
func (s *stand) tenantURLs() []string {
	return []string{s.origin + proxyPath, s.origin + proxyPath + "?" + tenantFlag}
}

// close ends the processes, the last one started first, and the vault, and
// removes the directory.
func (s *stand) close() error {
	for _, c := range slices.Backward(s.children) {
		c.stop()
	}
	if s.vault != nil {
		s.vault.Close()
	}
	return os.RemoveAll(s.dir)
}

// death describes the first process that ended by itself, or is nil.
func (s *stand) death() error {
	for _, c := range s.children {
		if err := c.death(); err != nil {
			return err
		}
	}
	return nil
}

// startBackend starts `lab backend` and waits until it listens.
func (s *stand) startBackend(ctx context.Context) error {
	config, err := s.backendConfig()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	stderr, err := s.log(s.path("backend.log"))
	if err != nil {
		return err
	}
	stdin, toChild, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	fromChild, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("make a pipe: %w", err), stdin.Close(), toChild.Close())
	}
	c, err := startChild(ctx, childSpec{
		name: "backend", path: self, args: []string{"backend"}, env: childEnvironment(os.Environ()),
		stdin: stdin, stdout: stdout, stderr: stderr, ours: []*os.File{toChild, fromChild},
	})
	if err != nil {
		return err
	}
	s.children = append(s.children, c)
	s.toBackend = toChild
	if err := s.tellBackend(config); err != nil {
		return err
	}
	s.backendAddress, err = readAddress(ctx, c, fromChild)
	return err
}

// backendConfig issues the backend's certificate. Its external base URL is the
// proxy's, as an operator would set it, so that the locations it hands out lead
// back through the proxy.
func (s *stand) backendConfig() (backendConfig, error) {
	certificate, key, err := s.authority.Issue(pki.Leaf{Names: []string{backendName}})
	return backendConfig{
		Token:       s.backendToken,
		BasePath:    backendPath,
		PublicURL:   s.origin + proxyPath,
		Certificate: string(certificate),
		Key:         string(key),
	}, err
}

// tellBackend writes a line to the backend's standard input.
func (s *stand) tellBackend(line any) error {
	if err := json.NewEncoder(s.toBackend).Encode(line); err != nil {
		return fmt.Errorf("configure the backend: %w", err)
	}
	return nil
}

// readAddress reads the backend's one line; a child that does not write it in
// time is ended, which ends the read.
func readAddress(ctx context.Context, c *child, stdout io.Reader) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	defer context.AfterFunc(ctx, c.cancel)()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("wait for the backend: %w", ctx.Err())
		}
		<-c.ended // it closed its standard output, so it ended or is about to
		return "", c.death()
	}
	var ready backendReady
	if err := json.Unmarshal(line, &ready); err != nil {
		return "", fmt.Errorf("read the backend's address from %q: %w", line, err)
	}
	return ready.Address, nil
}

// startProxy starts the proxy's binary and waits until it listens. Its log goes
// to the file named.
func (s *stand) startProxy(ctx context.Context, binary, logFile string) error {
	stderr, err := s.log(s.path("proxy.err"))
	if err != nil {
		return err
	}
	stdout, err := s.log(logFile)
	if err != nil {
		return err
	}
	c, err := startChild(ctx, childSpec{
		name: "proxy", path: binary, stdout: stdout, stderr: stderr,
		env: append(childEnvironment(os.Environ(),
			"PORT="+s.port,
			"BACKEND_URL=https://"+s.backendAddress+backendPath,
			"BACKEND_SERVER_NAME="+backendName,
			"PUBLIC_URL="+s.origin,
			"NORMALIZE="+s.normalize,
		), s.secrets...),
	})
	if err != nil {
		return err
	}
	s.children = append(s.children, c)
	return awaitAnswer(ctx, c, s.origin+"/")
}

// awaitAnswer polls until the child answers 200, as the Functions host does.
func awaitAnswer(ctx context.Context, c *child, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answersOK(ctx, client, url) {
			return nil
		}
		select {
		case <-c.ended:
			return c.death()
		case <-ctx.Done():
			return fmt.Errorf("wait for the %s to answer %s: %w", c.name, url, ctx.Err())
		case <-tick.C:
		}
	}
}

func answersOK(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// log makes a file for the output of a child and remembers it for showLogs.
func (s *stand) log(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a log file: %w", err)
	}
	s.logs = append(s.logs, path)
	return file, nil
}

// showLogs writes the last lines of everything the children said.
func (s *stand) showLogs(w io.Writer) {
	const most = 10
	for _, path := range s.logs {
		content, err := os.ReadFile(path)
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		if err != nil || lines[0] == "" {
			continue
		}
		fmt.Fprintf(w, "--- last lines of %s\n", filepath.Base(path))
		for _, line := range lines[max(0, len(lines)-most):] {
			fmt.Fprintln(w, line)
		}
	}
}
