package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/proxy/check"
)

func TestCheckArguments(t *testing.T) {
	for arguments, test := range map[string]struct {
		status int
		stderr string
	}{
		"check --colour":       {2, "flag provided but not defined: -colour"},
		"check --json=perhaps": {2, `invalid boolean value "perhaps" for -json`},
		"check users":          {2, `handler check: found argument "users"; expected none but --json and --write. Settings are environment variables.`},
		"check --json users":   {2, `found argument "users"`},
		"check --help":         {0, "create, change and delete a user and a group at the backend"},
		"check -h":             {0, "print the report as JSON"},
		"check -help":          {0, "The exit status is 0 if nothing failed"},
		"checks":               {64, `handler: found argument "checks"; expected none, or: handler check, handler version`},
	} {
		p := launch(t, nil, strings.Fields(arguments)...)
		if status := p.exit(t); status != test.status || !strings.Contains(p.errors(), test.stderr) || len(p.output()) != 0 {
			t.Errorf("%s: status %d, %q, %s", arguments, status, p.output(), p.errors())
		}
	}
}

// Settings that are bad are the finding, whatever they are.
func TestCheckOfNothing(t *testing.T) {
	p := launch(t, map[string]string{"ENTRA_TOKN": "env:DEMO"}, "check", "--json")
	status := p.exit(t)
	var report struct {
		Result string
		Steps  []struct {
			Step, Status, Class, Cause string
			Details                    []string
		}
	}
	if err := json.Unmarshal([]byte(strings.Join(p.output(), "\n")), &report); err != nil {
		t.Fatal(err)
	}
	if status != 1 || report.Result != "fail" || report.Steps[0].Class != "settings" || !strings.Contains(report.Steps[0].Cause, "BACKEND_URL: found nothing") {
		t.Errorf("status %d, %+v", status, report)
	}
	if details := strings.Join(report.Steps[0].Details, "\n"); !strings.Contains(details, "ENTRA_TOKN is set but is not a setting; is ENTRA_TOKEN meant?") {
		t.Errorf("the misspelt name is not among them: %s", details)
	}
	for _, step := range report.Steps[1:] {
		if step.Status != "skip" {
			t.Errorf("%+v", step)
		}
	}
}

// Colours are for terminals, unless their owner says otherwise.
func TestCheckColours(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("the program script, which runs another in a terminal, is not here")
	}
	p := launch(t, nil, "check")
	if p.exit(t); strings.Contains(strings.Join(p.output(), ""), "\x1b") {
		t.Errorf("colours in a pipe: %q", p.output())
	}
	for _, test := range []struct {
		environment string
		want        bool
	}{{"", true}, {"NO_COLOR=1", false}, {"NO_COLOR=", true}} {
		command := exec.CommandContext(t.Context(), script, "-qec", p.command.Path+" check", "/dev/null")
		command.Env = []string{"HANDLER_TEST_MAIN=1", "SHELL=/bin/sh", test.environment}
		output, err := command.CombinedOutput()
		if !strings.Contains(string(output), "fail") || strings.Contains(string(output), "\x1b[31mfail\x1b[0m") != test.want {
			t.Errorf("%q: %v, %q", test.environment, err, output)
		}
	}
}

// net/http logs what peers send unasked, which is nobody's business.
func TestCheckShowsNothingUnasked(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer func() { _ = conn.Close() }()
				for reader := bufio.NewReader(conn); ; {
					if _, err := http.ReadRequest(reader); err != nil {
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					time.Sleep(10 * time.Millisecond) // or the rest would belong to the answer
					_, _ = io.WriteString(conn, "canary unasked\r\n")
				}
			}()
		}
	}()
	p := launch(t, local("BACKEND_URL", "http://"+listener.Addr().String(), "BACKEND_ALLOW_HTTP", "true"), "check")
	p.exit(t)
	text := strings.Join(p.output(), "\n") + p.errors()
	if !strings.Contains(text, "200") {
		t.Fatal(text)
	}
	absent(t, "the output", text, []string{"canary unasked", "nsolicited"})
}

// endpoint asks a running proxy for its check.
func endpoint(t *testing.T, p *process, token string) (status int, header http.Header, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+"/scim/.well-known/check", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// What a holder of the token sees names nothing of the inside, unless the operator
// wants it.
func TestCheckEndpoint(t *testing.T) {
	for name, test := range map[string]struct {
		certificate backend.CertificateKind
		details     string
		inVault     bool
		result      string
	}{
		"fine":               {backend.CertificateRight, "", true, "pass"},
		"fine, details":      {backend.CertificateRight, "true", true, "pass"},
		"wrong CA":           {backend.CertificateWrongCA, "", false, "fail"},
		"wrong CA, details":  {backend.CertificateWrongCA, "true", false, "fail"},
		"other name":         {backend.CertificateWrongName, "false", false, "fail"},
		"expired, vault":     {backend.CertificateExpired, "", true, "fail"},
		"self-signed, vault": {backend.CertificateSelfSigned, "", true, "fail"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, "strict", test.inVault, nil)
			if err := s.Certificates.Present(test.certificate); err != nil {
				t.Fatal(err)
			}
			p := start(t, environmentOf(s, map[string]string{"CHECK_DETAILS": test.details}))
			status, header, body := endpoint(t, p, s.Token())
			var report struct{ Result string }
			if err := json.Unmarshal([]byte(body), &report); err != nil || status != 200 || header.Get("Content-Type") != "application/json" || report.Result != test.result {
				t.Fatalf("%d %v, %v: %s", status, header, err, body)
			}
			inside := []string{
				"corp.example.com", "127.0.0.1", s.BackendAddress, "/rest/scim/v2", "Lab Private CA", "Some other CA", "elsewhere",
				"sha256:", "entra-token", "backend-token", "backend-ca", "contoso-lab", "file:", "entra-scim-lab", "BEGIN CERT", `"cause"`, `"details"`,
			}
			absent(t, "the report", body, append(s.Secrets(), "person", "canary"))
			if test.details != "true" {
				absent(t, "the report", body, inside)
			} else if !strings.Contains(body, "Lab Private CA") && !strings.Contains(body, "Some other CA") {
				t.Errorf("with CHECK_DETAILS the report names no certificate: %s", body)
			}
			absent(t, "the log", strings.Join(p.output(), "\n"), append(s.Secrets(), "person", "canary", "entra-token", s.BackendAddress))
			if status, header, _ := endpoint(t, p, s.Token()); status != 429 || header.Get("Retry-After") == "" {
				t.Errorf("a moment later: %d %v", status, header)
			}
			if status, _, _ := endpoint(t, p, "wrong"); status != 401 {
				t.Errorf("without the token: %d", status)
			}
			p.await(t, `"class":"unauthorized"`)
			if calls := strings.Join(p.output(), "\n"); strings.Count(calls, `"msg":"exchange"`) != 3 || !strings.Contains(calls, `"answer":"check"`) {
				t.Errorf("the log is not about the three calls: %s", calls)
			}
		})
	}
}

// The server waits for a whole check, and for a whole call, whichever is longer.
func TestServerWaitsForTheCheck(t *testing.T) {
	for timeout, least := range map[time.Duration]time.Duration{time.Second: check.Limit, time.Minute: time.Minute} {
		if got := newServer(nil, timeout, 16<<10).WriteTimeout; got <= least {
			t.Errorf("with BACKEND_TIMEOUT=%v it writes for %v", timeout, got)
		}
	}
}

// The risks of the start are in the report, too; which they are, in its details.
func TestCheckEndpointTellsOfRisks(t *testing.T) {
	s := newStand(t, "strict", false, nil)
	for details, shown := range map[string]bool{"true": true, "false": false} {
		p := start(t, environmentOf(s, map[string]string{"BACKEND_TIMEOUT": "1s", "CHECK_DETAILS": details}))
		_, _, body := endpoint(t, p, s.Token())
		if !strings.Contains(body, `"usable, but risky"`) || strings.Contains(body, "BACKEND_TIMEOUT is under 5s") != shown {
			t.Errorf("details %s: %s", details, body)
		}
	}
}

// The check of the deployed app does not write, whoever asks.
func TestCheckEndpointOnlyReads(t *testing.T) {
	s := newStand(t, "strict", false, func(_ *stand.Stand, o *backend.Options) { o.Audit = 1000 })
	p := start(t, environmentOf(s, nil))
	if status, _, body := endpoint(t, p, s.Token()); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	audit := s.Backend().Audit()[3:] // those before are the test's own
	for _, entry := range audit {
		if entry.Method != http.MethodGet {
			t.Errorf("%+v", entry)
		}
	}
	if len(audit) < 10 {
		t.Errorf("%d calls only", len(audit))
	}
}

// Whatever ends a run that writes, it takes back what it has created.
func TestCheckThatEndsEarlyLeavesNothing(t *testing.T) {
	leave := func(stdout io.Closer, _ *os.Process) error { return stdout.Close() }
	send := func(signal os.Signal) func(io.Closer, *os.Process) error {
		return func(_ io.Closer, p *os.Process) error { return p.Signal(signal) }
	}
	for name, end := range map[string]func(io.Closer, *os.Process) error{
		"reader gone": leave, "SIGINT": send(syscall.SIGINT), "SIGTERM": send(syscall.SIGTERM), "SIGHUP": send(syscall.SIGHUP),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, "strict", false, nil)
			users, groups := s.Backend().Users(), s.Backend().Groups()
			s.Trouble.Begin(backend.Slow(50*time.Millisecond), backend.When{})
			command := exec.CommandContext(t.Context(), os.Args[0], "check", "--write")
			command.Env = []string{"HANDLER_TEST_MAIN=1"}
			for name, value := range environmentOf(s, nil) {
				command.Env = append(command.Env, name+"="+value)
			}
			stdout, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			for lines.Scan() {
				if strings.Contains(lines.Text(), "create group") {
					break
				}
			}
			if got := s.Backend().Groups(); got != groups+1 {
				t.Errorf("%d groups", got)
			}
			if err := end(stdout, command.Process); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, stdout) // to its end, if it is still read
			_ = command.Wait()                 // its status is below
			if status := command.ProcessState.ExitCode(); status == -1 || status == 0 && name != "reader gone" {
				t.Errorf("%v", command.ProcessState)
			}
			if s.Backend().Users() != users || s.Backend().Groups() != groups {
				t.Errorf("%d users and %d groups are left", s.Backend().Users()-users, s.Backend().Groups()-groups)
			}
		})
	}
}
