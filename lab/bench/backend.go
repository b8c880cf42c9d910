package bench

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// BackendCommand is the subcommand that runs [Backend].
const BackendCommand = "benchbackend"

// What a backend offers.
const (
	offerHTTP2 = "HTTP/2"
	offerHTTP1 = "HTTP/1.1"
)

var offers = []string{offerHTTP2, offerHTTP1}

// streamSize is the length of the large answers, in bytes.
const streamSize = 64 << 20

// backendConfig is the line of JSON that a backend reads from its input.
type backendConfig struct {
	Offer            string
	Token            string
	Certificate, Key string // PEM
}

// Backend reads its configuration as one line from in, writes its address
// (host:port) as one line to out, and serves until the context or in ends. It
// gives fixed answers, and only to the calls of the bench: an error to any
// other credential, target or body.
func Backend(ctx context.Context, in io.Reader, out io.Writer) error {
	stdin := bufio.NewReader(in)
	line, err := stdin.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var config backendConfig
	if err := json.Unmarshal(line, &config); err != nil {
		return errors.New("the configuration is not the JSON object expected") // the cause could quote the token
	}
	certificate, err := tls.X509KeyPair([]byte(config.Certificate), []byte(config.Key))
	if err != nil {
		return fmt.Errorf("load the certificate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close()
	var offered http.Protocols
	offered.SetHTTP1(true)
	offered.SetHTTP2(config.Offer == offerHTTP2)
	server := &http.Server{
		Handler:           newAnswers(config.Token),
		Protocols:         &offered,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 5 * time.Second,
	}
	fmt.Fprintln(out, listener.Addr())

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the input, at the latest with the process
		io.Copy(io.Discard, stdin)
		cancel()
	}()
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// protocols are the answers to protocolPath.
var protocols = map[int]string{1: offerHTTP1, 2: offerHTTP2}

// newAnswers is the backend's handler, for calls with the token given.
func newAnswers(token string) http.Handler {
	deck := slices.Concat(newDeck(""), newNormalizedDeck(""), newUntouchedDeck(""))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch r.URL.Path {
		case protocolPath:
			answer(w, http.StatusOK, protocols[r.ProtoMajor])
		case knownPath:
			w.Header().Set("Content-Length", strconv.Itoa(streamSize))
			stream(w)
		case unknownPath:
			stream(w)
		default:
			for i := range deck {
				if deck[i].matches(r, string(body)) {
					answer(w, deck[i].status, deck[i].answer)
					return
				}
			}
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

// matches reports whether a request is the call, with the flag of the Tenant
// URL or without.
func (c *call) matches(r *http.Request, body string) bool {
	return r.Method == c.method && body == cmp.Or(c.received, c.body) &&
		r.URL.Path == pathOf(c.target) && (r.URL.Query().Get("filter") != "") == (c.name == "look-up")
}

func answer(w http.ResponseWriter, status int, body string) {
	header := w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("ETag", `W/"3694e05e9dff590"`)
	header.Set("Server", "bench")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a proxy that left has failed already
}

func stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", mediaType)
	chunk := make([]byte, 64<<10)
	for i := range chunk {
		chunk[i] = ' '
	}
	for range streamSize / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}
