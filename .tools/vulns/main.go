// Command vulns asks govulncheck whether what the module calls has a known
// vulnerability. It fails for what ships; what it finds in the lab or the tests
// it only shows.
//
//	GOVULNDB=https://vuln.go.dev go run -C .tools ./vulns
//
// A database that does not answer is no finding: the check says that it did not
// take place.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/vuln/scan"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	database := cmp.Or(os.Getenv("GOVULNDB"), "https://vuln.go.dev")
	if err := run(ctx, "..", database, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vulns:", err)
		os.Exit(1)
	}
}

// errFound is that govulncheck found a vulnerable function that is called.
var errFound = errors.New("a known vulnerability is in what ships")

// run scans the repository at root: ./handler as make package builds it, then
// everything as it is tested here.
func run(ctx context.Context, root, database string, out io.Writer) error {
	if err := answers(ctx, database); err != nil {
		return skip(out, err)
	}
	for _, scan := range []struct {
		what string
		env  []string
		args []string
		fail error
	}{
		{"the handler as it ships", []string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"}, []string{"./handler"}, errFound},
		{"lab and tests", nil, []string{"-test", "./..."}, nil},
	} {
		found, report, err := govulncheck(ctx, scan.env, append([]string{"-C", root, "-db", database}, scan.args...))
		if err != nil {
			if gone := answers(ctx, database); gone != nil {
				return skip(out, gone)
			}
			return fmt.Errorf("%s: govulncheck: %w\n%s", scan.what, err, report)
		}
		if !found {
			fmt.Fprintf(out, "govulncheck: %s: no call of a function with a known vulnerability\n", scan.what)
			continue
		}
		fmt.Fprintf(out, "govulncheck: %s:\n%s", scan.what, report)
		if scan.fail != nil {
			return scan.fail
		}
	}
	return nil
}

func skip(out io.Writer, reason error) error {
	fmt.Fprintf(out, "skipped: govulncheck: the database does not answer: %v\n", reason)
	return nil
}

// answers is nil if the database's index can be had. A path that holds none is
// not seen here: it is a mistake, and govulncheck says so.
func answers(ctx context.Context, database string) error {
	if strings.HasPrefix(database, "file:") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	index := strings.TrimRight(database, "/") + "/index/modules.json.gz"
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, index, nil) //nolint:gosec // G704: who runs the check names the database
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request) //nolint:gosec // G704: as above
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// exitError is what govulncheck ends with; 3 is a finding.
// https://pkg.go.dev/golang.org/x/vuln/scan#Cmd.Wait
type exitError interface {
	error
	ExitCode() int
}

func govulncheck(ctx context.Context, env, args []string) (found bool, report string, err error) {
	var text strings.Builder
	command := scan.Command(ctx, args...)
	command.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off"), env...)
	command.Stdout, command.Stderr = &text, &text
	if err := command.Start(); err != nil {
		return false, "", err
	}
	err = command.Wait()
	if coded, ok := errors.AsType[exitError](err); ok && coded.ExitCode() == 3 {
		return true, text.String(), nil
	}
	return false, text.String(), err
}
