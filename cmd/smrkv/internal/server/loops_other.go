//go:build !linux

package server

import "net"

// loops are not to be had on this system: each connection is a stream.
type loops struct{}

func (*loops) start(int) error           { return nil }
func (*loops) end()                      {}
func (*loops) take(*conn, net.Conn) bool { return false }
func (*loops) serve(*conn) bool          { return false }
