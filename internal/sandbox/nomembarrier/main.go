//go:build linux

// Command nomembarrier runs a program without membarrier(2), which the kernel refuses as under some
// seccomp profiles:
//
//	go test -exec 'go run github.com/gosmr/gosmr/internal/sandbox/nomembarrier' ./smr
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/gosmr/gosmr/internal/sandbox"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nomembarrier:", err)
		os.Exit(1)
	}
}

// run becomes the program, and so returns only if that fails.
func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: nomembarrier program [argument ...]")
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if err := sandbox.RefuseMembarrier(); err != nil {
		return err
	}
	return syscall.Exec(program, args, os.Environ())
}
