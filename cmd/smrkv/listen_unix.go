//go:build unix

package main

import (
	"errors"
	"net"
	"syscall"
)

// listenPrivate makes a socket of mode 0600. By the umask: a chmod after Listen
// would leave a moment for others to connect. The umask is the process's, which
// makes no other file at that time.
func listenPrivate(path string) (*net.UnixListener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
