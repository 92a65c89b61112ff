//go:build !linux

package sandbox

import "errors"

// RefuseMembarrier is for Linux.
func RefuseMembarrier() error { return errors.New("sandbox: no seccomp on this system") }
