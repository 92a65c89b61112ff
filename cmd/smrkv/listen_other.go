//go:build !unix

package main

import "net"

func listenPrivate(path string) (*net.UnixListener, error) {
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// refused can't tell here, so that a stale socket is left to the user.
func refused(error) bool { return false }
