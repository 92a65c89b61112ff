// Package self starts the running test binary again, for tests of what ends a process.
package self

import (
	"os"
	"os/exec"
)

// Emulator is the environment variable with the program that runs binaries of this
// processor's kind, where another kind's runs the tests: qemu-aarch64-static.
const Emulator = "SMR_EMULATOR"

// Command returns the command that runs this binary with other arguments.
func Command(args ...string) *exec.Cmd {
	if emulator := os.Getenv(Emulator); emulator != "" {
		return exec.Command(emulator, append([]string{os.Args[0]}, args...)...)
	}
	return exec.Command(os.Args[0], args...)
}
