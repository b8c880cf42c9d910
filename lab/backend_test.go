package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// inProcess runs the backend of a stand in this process. It ends with toBackend.
func inProcess(t *testing.T, s *stand) (toBackend io.WriteCloser, ended <-chan error) {
	t.Helper()
	config, err := s.backendConfig()
	if err != nil {
		t.Fatal(err)
	}
	stdin, toBackend := io.Pipe()
	fromBackend, stdout := io.Pipe()
	result := make(chan error, 1)
	go func() { // ends with its standard input
		result <- runBackend(t.Context(), nil, stdio{in: stdin, out: stdout, err: io.Discard})
	}()
	t.Cleanup(func() { toBackend.Close() })
	if err := json.NewEncoder(toBackend).Encode(config); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(fromBackend).ReadString('\n')
	if err != nil || !regexp.MustCompile(`^\{"address":"127\.0\.0\.1:\d+"\}\n$`).MatchString(line) {
		t.Fatalf("got %q, %v", line, err)
	}
	s.backendAddress = strings.Split(line, `"`)[3]
	return toBackend, result
}

func TestBackendEndsWithItsStandardInput(t *testing.T) {
	toBackend, ended := inProcess(t, newTestStand(t))
	toBackend.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBackendChangesItsToken(t *testing.T) {
	s := newTestStand(t)
	toBackend, ended := inProcess(t, s)
	want := func(token string, status int) {
		t.Helper()
		if _, got, err := callBackend(t.Context(), s.backendAddress, s.authority.Pool(), token); got != status {
			t.Errorf("got %d, %v; want %d", got, err, status)
		}
	}
	want(s.backendToken, http.StatusOK)
	for _, token := range []string{"x", "next"} {
		if err := json.NewEncoder(toBackend).Encode(backendChange{Token: token}); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, status, err := callBackend(t.Context(), s.backendAddress, s.authority.Pool(), "next"); status == http.StatusOK {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the new token: got %d, %v", status, err)
		}
	}
	want(s.backendToken, http.StatusUnauthorized)
	want("x", http.StatusUnauthorized)
	if _, err := io.WriteString(toBackend, "{\"token\":\"\"}\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "a change on standard input is not the JSON object expected" {
		t.Errorf("an empty token: got %v", err)
	}
}

func TestBackendRefusesABadConfiguration(t *testing.T) {
	for _, line := range []string{"{\"token\":\"secret\n", `{"token":"secret"}` + "\n"} {
		err := runBackend(t.Context(), nil, stdio{in: strings.NewReader(line), out: io.Discard, err: io.Discard})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", line, err)
		}
	}
}
