package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/profile"
	"example.com/entra-scim-proxy/lab/stand"
	"example.com/entra-scim-proxy/lab/vault"
	"example.com/entra-scim-proxy/lab/window"
)

type runOptions struct {
	app       string // folder of the packaged proxy
	port      int    // of the Functions host; zero takes a free one
	profile   profile.Profile
	normalize string // the proxy's setting; empty leaves the profile's
	once      bool
	vault     bool   // there must be a vault, and both tokens are replaced in it
	keepLog   string // file for the proxy's log; empty keeps none
}

func parseRun(args []string, std stdio) (options runOptions, err error) {
	var name string
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&options.app, "app", "", "`folder` of the packaged proxy, built for this machine (required)")
	flags.IntVar(&options.port, "port", 7071, "`port` of the Functions host on 127.0.0.1; 0 takes a free one")
	flags.StringVar(&name, "profile", "strict", "the `system` behind the proxy: "+strings.Join(profileNames(), ", "))
	flags.StringVar(&options.normalize, "normalize", "", "the proxy's `NORMALIZE` setting, instead of what the system needs; with none, calls fail")
	flags.BoolVar(&options.once, "once", false, "end after the calls, without a window; exit 1 unless each ended as it should")
	flags.BoolVar(&options.vault, "vault", false, "replace both tokens in the key vault while calls go through")
	flags.StringVar(&options.keepLog, "keep-log", "", "`file` that keeps the proxy's log")
	if err := parse(flags, args, std); err != nil {
		return runOptions{}, err
	}
	var known bool
	options.profile, known = profile.ByName(name)
	switch {
	case options.app == "":
		fmt.Fprintln(std.err, "lab run: --app is required")
	case !known:
		fmt.Fprintf(std.err, "lab run: --profile is %q, want one of %s\n", name, strings.Join(profileNames(), ", "))
	default:
		return options, nil
	}
	flags.Usage()
	return runOptions{}, errUsage
}

func profileNames() []string {
	var names []string
	for _, p := range profile.All() {
		names = append(names, p.Name)
	}
	return names
}

// runLab sets everything up, plays Entra's calls through the proxy and, unless
// asked for one round only, keeps serving until the context ends.
func runLab(ctx context.Context, args []string, std stdio) (err error) {
	options, err := parseRun(args, std)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = errors.New("interrupted")
		}
	}()
	recorder := &window.Recorder{}
	log, err := openLog(options.keepLog, recorder)
	if err != nil {
		return err
	}
	defer log.Close()
	s, err := setUp(ctx, options, recorder, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if options.once {
		return play(ctx, s, options, std.out)
	}
	page, err := openWindow(s, options.profile, recorder)
	if err != nil {
		return err
	}
	defer page.close()
	err = play(ctx, s, options, std.out)
	if err != nil && !errors.Is(err, errCalls) {
		return err
	}
	writeServing(std.out, s, page.url, options.keepLog)
	return serve(ctx, s)
}

// setUp makes the stand: with a key vault where this system can have one.
func setUp(ctx context.Context, options runOptions, recorder *window.Recorder, log io.Writer) (*stand.Stand, error) {
	made := stand.Options{
		App: options.app, Profile: options.profile, Port: options.port, Vault: true, Log: log,
		FromEntra: fromEntra(recorder), AtBackend: recorder.AtBackend,
		// A vault that is away should show while somebody looks.
		Settings: []string{"SECRET_REFRESH=10s"},
	}
	if options.normalize != "" {
		made.Settings = append(made.Settings, "NORMALIZE="+options.normalize)
	}
	s, err := stand.New(ctx, made)
	if errors.Is(err, vault.ErrSystem) && !options.vault {
		made.Vault = false
		s, err = stand.New(ctx, made)
	}
	return s, err
}

// logs is where the proxy's log goes: to the window, and to a file if it is to
// be kept.
type logs struct {
	io.Writer
	file *os.File
}

func openLog(path string, recorder *window.Recorder) (logs, error) {
	if path == "" {
		return logs{Writer: recorder}, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return logs{}, fmt.Errorf("make the log file: %w", err)
	}
	return logs{io.MultiWriter(recorder, file), file}, nil
}

// Close closes the file, if there is one.
func (l logs) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// errCalls is the category of a run in which a call did not end as it should.
var errCalls = errors.New("calls did not end as they should")

// play makes the direct call, and a life in each of Entra's dialects, and if
// asked to rotates the tokens. It writes what came of them.
func play(ctx context.Context, s *stand.Stand, options runOptions, w io.Writer) error {
	if s.Certificates != nil {
		refusal, err := s.DirectCall(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "What Entra would see without the proxy: %s\n\n", refusal)
	}
	var lives []life
	for _, flag := range []bool{false, true} {
		client, err := entra.New(entra.Options{TenantURL: s.TenantURL(flag), Token: s.Token(), Lost: strings.Split(s.Setting("DROP_ATTRIBUTES"), ",")})
		if err != nil {
			return err
		}
		lives = append(lives, life{client.Dialect(), client.Lifecycle(ctx)})
		client.Close()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintf(w, "Through the proxy, with NORMALIZE=%s, in Entra's default dialect and in that of the flag %s:\n\n",
		s.Setting("NORMALIZE"), stand.Flag)
	failed, total := writeLives(w, lives)
	writePicture(w, s)
	if err := s.Host.Err(); err != nil {
		return err
	}
	if options.vault {
		calls, err := rotate(ctx, s)
		if err != nil {
			return err
		}
		failed += writeRotation(w, rotated(s), calls)
		total += len(calls)
	}
	if failed > 0 {
		if otherwise := options.profile.Otherwise; otherwise != "" {
			fmt.Fprintf(w, "\nThe calls are the same for every system. Of %s some cannot end as they should: %s.\n", options.profile.Name, otherwise)
		}
		return fmt.Errorf("%d of %d %w", failed, total, errCalls)
	}
	return nil
}

// serve waits for the end of the context, which is a clean one, or for that of
// the proxy, which is not.
func serve(ctx context.Context, s *stand.Stand) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.Host.Stopped():
		return s.Host.Err()
	}
}
