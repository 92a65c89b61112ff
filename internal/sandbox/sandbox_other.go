//go:build !linux

package sandbox

import "errors"

// RefuseMembarrier returns an error: it needs Linux.
func RefuseMembarrier() error { return errors.New("sandbox: no seccomp on this system") }
