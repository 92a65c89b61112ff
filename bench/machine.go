package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/gosmr/gosmr/bench/internal/run"
)

// machine describes where this runs; what can't be found out is empty.
func machine() run.Machine {
	m := run.Machine{
		CPU: runtime.GOARCH, Procs: runtime.NumCPU(), OS: runtime.GOOS, Go: runtime.Version(),
		Kernel: firstLine("uname", "-sr"),
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				m.OS = strings.Trim(strings.TrimSpace(name), `"`)
			}
		}
	}
	for _, c := range [][]string{{"gcc", "--version"}, {"rustc", "--version"}} {
		if line := firstLine(c[0], c[1]); line != "" {
			m.Others = append(m.Others, line)
		}
	}
	for _, pkg := range []string{"liburcu-dev", "libck-dev", "librust-crossbeam-epoch-dev"} {
		if line := firstLine("dpkg-query", "-W", "-f", "${Package} ${Version}", pkg); line != "" {
			m.Others = append(m.Others, line)
		}
	}
	return m
}

// commit is the library's, with a plus sign if there are changes beside it.
func commit(root string) string {
	hash := firstLine("git", "-C", root, "rev-parse", "--short=12", "HEAD")
	if hash != "" && firstLine("git", "-C", root, "status", "--porcelain", "--untracked-files=no") != "" {
		hash += "+"
	}
	return hash
}

func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
