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
	"time"

	"example.com/entra-scim-proxy/lab/backend"
)

// backendConfig is the one line of JSON that `lab backend` reads.
type backendConfig struct {
	Token       string `json:"token"`
	BasePath    string `json:"basePath"`
	PublicURL   string `json:"publicURL"`
	Certificate string `json:"certificate"` // PEM
	Key         string `json:"key"`         // PEM
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
	server, err := newBackendServer(line, std.err)
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

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with standard input, at the latest with the process
		io.Copy(io.Discard, stdin)
		cancel()
	}()
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }() // ends with Shutdown or Close below
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	if server.Shutdown(drain) != nil {
		server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func newBackendServer(line []byte, logs io.Writer) (*http.Server, error) {
	var config backendConfig
	if err := json.Unmarshal(line, &config); err != nil {
		// The cause could quote the token.
		return nil, errors.New("the configuration on standard input is not the JSON object expected")
	}
	certificate, err := tls.X509KeyPair([]byte(config.Certificate), []byte(config.Key))
	if err != nil {
		return nil, fmt.Errorf("load the certificate: %w", err)
	}
	handler, err := backend.New(backend.Options{
		Token:     config.Token,
		BasePath:  config.BasePath,
		PublicURL: config.PublicURL,
	})
	if err != nil {
		return nil, fmt.Errorf("make the backend: %w", err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}},
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(logs, "", log.LstdFlags),
	}, nil
}
