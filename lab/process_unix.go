//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// isolate keeps the terminal's Ctrl-C from the child, which is ended in order
// by us: otherwise its death could be noticed before our own signal is.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
