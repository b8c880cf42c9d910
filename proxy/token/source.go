package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Source reads the values of one secret from where they are kept.
type Source interface {
	// Read returns the values that count at the moment, at least one. It does I/O and honours ctx. Its error is for the log: it
	// holds neither a value nor the secret's name.
	Read(ctx context.Context) (Credentials, error)
}

// Static is a Source of one value that never changes, read when the process
// started.
type Static Secret

// Read returns the value. It never fails.
func (s Static) Read(context.Context) (Credentials, error) {
	return Credentials{Secret(s)}, nil
}

// String returns the value's identity.
func (s Static) String() string { return Secret(s).String() }

// Format writes String's result for every verb and flag.
func (s Static) Format(state fmt.State, verb rune) { Secret(s).Format(state, verb) }

// MarshalText encodes String's result. It never fails.
func (s Static) MarshalText() ([]byte, error) { return Secret(s).MarshalText() }

// maxFile bounds what File reads, in bytes: a large CA bundle is 250 KiB.
const maxFile = 1 << 20

// File is a Source that reads one value from the file at the path. One
// trailing LF or CRLF is not part of the value: editors and echo put it there.
type File string

// Read returns the file's content. It fails when the file cannot be read or
// is over 1 MiB.
func (f File) Read(ctx context.Context) (Credentials, error) {
	// Without O_NONBLOCK, opening a named pipe waits for a writer.
	file, err := os.OpenFile(string(f), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", withoutPath(err))
	}
	if deadline, ok := ctx.Deadline(); ok {
		// Pipes take it; files on a disk need none.
		_ = file.SetReadDeadline(deadline)
	}
	// Read only: nothing can be lost by closing it.
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read file: %w", withoutPath(err))
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read file: it is larger than %d bytes", maxFile)
	}
	value := string(data)
	if trimmed, ok := strings.CutSuffix(value, "\n"); ok {
		value = strings.TrimSuffix(trimmed, "\r")
	}
	return Credentials{NewSecret(value).WithOrigin(Origin{Created: modified(file)})}, nil
}

// modified returns when a file was last written; zero if that cannot be told, as
// of a pipe.
func modified(file *os.File) time.Time {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return time.Time{}
	}
	return info.ModTime()
}

// withoutPath drops the path from a file error: it can be an internal name.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// ReadCredentials returns a loader for a [Cache] that reads the source. A
// current value that cannot be a bearer token is [ErrUnusable]; so is none. One
// beside it that cannot be one never worked, and is left out.
func ReadCredentials(source Source) func(context.Context) (Credentials, error) {
	return read(source, Secret.Validate)
}

// ReadPasswords is ReadCredentials for the passwords of HTTP Basic.
func ReadPasswords(source Source) func(context.Context) (Credentials, error) {
	return read(source, Secret.ValidatePassword)
}

func read(source Source, validate func(Secret) error) func(context.Context) (Credentials, error) {
	return func(ctx context.Context) (Credentials, error) {
		values, err := source.Read(ctx)
		if err != nil {
			return nil, err
		}
		if err := validate(values.Current()); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
		}
		return slices.DeleteFunc(values, func(value Secret) bool { return validate(value) != nil }), nil
	}
}
