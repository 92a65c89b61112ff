// Package self runs the test binary in another process, for tests that end theirs or change it for
// good.
package self

import (
	"os"
	"os/exec"
)

// Emulator is the environment variable that names the emulator, such as qemu-aarch64-static, under
// which the tests of another architecture run.
const Emulator = "SMR_EMULATOR"

// Command returns the command that runs this binary with other arguments.
func Command(args ...string) *exec.Cmd {
	args = append([]string{os.Args[0]}, args...)
	if emulator := os.Getenv(Emulator); emulator != "" {
		args = append([]string{emulator}, args...)
	}
	return exec.Command(args[0], args[1:]...)
}
