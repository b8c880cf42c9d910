package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"example.com/entra-scim-proxy/lab/backend"
)

// backendConfig is the first line of JSON that `lab backend` reads.
type backendConfig struct {
	Token       string `json:"token"`
	BasePath    string `json:"basePath"`
	PublicURL   string `json:"publicURL"`
	Certificate string `json:"certificate"` // PEM
	Key         string `json:"key"`         // PEM
}

// backendChange is a further line, which may follow at any time.
type backendChange struct {
	Token string `json:"token"` // takes the place of the one before, at once
}

// backendReady is the one line of JSON that `lab backend` writes.
type backendReady struct {
	Address string `json:"address"` // host:port
}

// runBackend serves until the context ends or standard input does. The latter
// is what keeps it from outliving the process that started it.
func runBackend(ctx context.Context, args []string, std stdio) error {
	if err := parse(flag.NewFlagSet("backend", flag.ContinueOnError), args, std); err != nil {
		return err
	}
	stdin := bufio.NewReader(std.in)
	line, err := stdin.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the configuration from standard input: %w", err)
	}
	handler, server, err := newBackendServer(line, std.err)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close()
	if err := json.NewEncoder(std.out).Encode(backendReady{Address: listener.Addr().String()}); err != nil {
		return fmt.Errorf("report the address: %w", err)
	}

	followed := make(chan error, 1)
	go func() { followed <- handler.follow(stdin) }() // ends with standard input, at the latest with the process
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }() // ends with Shutdown or Close below
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case err = <-followed:
	case <-ctx.Done():
	}
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	if server.Shutdown(drain) != nil {
		server.Close()
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", ended)
	}
	return err
}

func newBackendServer(line []byte, logs io.Writer) (*changingBackend, *http.Server, error) {
	var config backendConfig
	if err := json.Unmarshal(line, &config); err != nil {
		// The cause could quote the token.
		return nil, nil, errors.New("the configuration on standard input is not the JSON object expected")
	}
	certificate, err := tls.X509KeyPair([]byte(config.Certificate), []byte(config.Key))
	if err != nil {
		return nil, nil, fmt.Errorf("load the certificate: %w", err)
	}
	first, err := backend.New(backend.Options{
		Token:     config.Token,
		BasePath:  config.BasePath,
		PublicURL: config.PublicURL,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make the backend: %w", err)
	}
	handler := &changingBackend{}
	handler.now.Store(first)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return handler, &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}},
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(logs, "", log.LstdFlags),
	}, nil
}

// changingBackend is a backend whose token changes while it serves.
type changingBackend struct {
	now atomic.Pointer[backend.Backend]
}

// ServeHTTP implements [http.Handler].
func (c *changingBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.now.Load().ServeHTTP(w, r)
}

// follow makes the changes that the lines ask for. It returns nil at their end.
func (c *changingBackend) follow(lines io.Reader) error {
	for decoder := json.NewDecoder(lines); ; {
		var change backendChange
		switch err := decoder.Decode(&change); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil || change.Token == "":
			// The cause could quote the token.
			return errors.New("a change on standard input is not the JSON object expected")
		}
		c.now.Store(c.now.Load().WithToken(change.Token))
	}
}
