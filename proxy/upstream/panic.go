package upstream

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
)

// panicError is a panic while a connection was made. net/http connects in
// goroutines of its own, where it would end the process and all its calls.
type panicError struct {
	kind  string // of the value, which may hold anything
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("a panic with a value of type %s, at %s", e.kind, e.stack)
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// guarded turns a panic of a dial function into an error.
func guarded(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		defer func() {
			if panicked := recover(); panicked != nil {
				err = &panicError{fmt.Sprintf("%T", panicked), debug.Stack()}
			}
		}()
		return dial(ctx, network, address)
	}
}
