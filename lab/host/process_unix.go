//go:build unix

package host

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate keeps the terminal's Ctrl-C from the handler, and gives it a group of
// its own for killGroup.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// killGroup ends a process and what it started. The real host ends the process
// only; the lab leaves nothing behind.
func killGroup(process *os.Process) {
	_ = syscall.Kill(-process.Pid, syscall.SIGKILL) // none left is what was wanted
}
