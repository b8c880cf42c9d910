package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on every architecture
// that Go runs on (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// errNoProc is for systems other than Linux.
var errNoProc = errors.New("the bench reads /proc, which only Linux has")

// cpuOf returns the processor time that a process has used, user and system.
func cpuOf(pid int) (time.Duration, error) {
	content, err := readProc(pid, "stat")
	if err != nil {
		return 0, err
	}
	return parseStat(content)
}

// parseStat reads utime and stime, fields 14 and 15 of proc_pid_stat(5).
func parseStat(content []byte) (time.Duration, error) {
	// The second field is the program's name, which may hold anything.
	end := bytes.LastIndexByte(content, ')')
	fields := bytes.Fields(content[end+1:])
	if end < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("parse /proc stat: found %q", content)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse /proc stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// memory is what is resident of a process, in bytes.
type memory struct {
	resident, peak int64
}

func memoryOf(pid int) (memory, error) {
	content, err := readProc(pid, "status")
	if err != nil {
		return memory{}, err
	}
	return parseStatus(content)
}

// parseStatus reads VmRSS and VmHWM of proc_pid_status(5).
func parseStatus(content []byte) (memory, error) {
	var m memory
	for line := range bytes.Lines(content) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || string(fields[2]) != "kB" {
			continue
		}
		var into *int64
		switch string(fields[0]) {
		case "VmRSS:":
			into = &m.resident
		case "VmHWM:":
			into = &m.peak
		default:
			continue
		}
		kibibytes, err := strconv.ParseInt(string(fields[1]), 10, 53)
		if err != nil {
			return memory{}, fmt.Errorf("parse /proc status: %w", err)
		}
		*into = kibibytes << 10
	}
	if m.resident == 0 || m.peak == 0 {
		return memory{}, errors.New("parse /proc status: no VmRSS or VmHWM")
	}
	return m, nil
}

func readProc(pid int, name string) ([]byte, error) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return nil, errNoProc
	}
	return os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
}
