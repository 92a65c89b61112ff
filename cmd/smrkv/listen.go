package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
)

// A listener is where clients come in.
type listener struct {
	net.Listener
	tls *tls.Config // nil: without
}

// listen opens what the flags name: all of it, or nothing.
func (cfg *config) listen(log *slog.Logger) (list []listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range list {
				l.Close()
			}
		}
	}()
	if cfg.addr != "" {
		l, err := cfg.listenTCP(cfg.addr, log)
		if err != nil {
			return list, err
		}
		list = append(list, listener{l, nil})
	}
	if cfg.tlsAddr != "" {
		addr := cfg.tlsAddr
		if !strings.Contains(addr, ":") {
			host := "127.0.0.1"
			if cfg.addr != "" {
				host, _, _ = net.SplitHostPort(cfg.addr) // which is listened on
			}
			addr = net.JoinHostPort(host, addr)
		}
		if err := cfg.tls.load(); err != nil {
			return list, err
		}
		l, err := cfg.listenTCP(addr, log)
		if err != nil {
			return list, err
		}
		list = append(list, listener{l, cfg.tls.config()})
	}
	if cfg.unix != "" {
		l, err := listenUnix(cfg.unix, cfg.unixPerm)
		if err != nil {
			return list, err
		}
		list = append(list, listener{l, nil})
	}
	return list, nil
}

// listenTCP warns of what others may do, or not do.
func (cfg *config) listenTCP(addr string, log *slog.Logger) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() && cfg.options.RequirePass == "" {
		if cfg.options.Unprotected {
			log.Warn("anybody who reaches this address can read and change everything: there is no password", "address", a)
		} else {
			log.Warn("clients from other hosts are refused until there is a password (-requirepass)", "address", a)
		}
	}
	return l, nil
}

// private is the mode of a socket that nothing else is said of.
const private os.FileMode = 0o600

// listenUnix listens on a socket that only its owner can connect to, and then those whom
// perm allows to. One that is left from a server that ended without removing it is replaced.
func listenUnix(path string, perm os.FileMode) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := listenPrivate(path)
	if err != nil {
		return nil, err
	}
	made, err := os.Lstat(path)
	if err == nil && perm != private {
		err = os.Chmod(path, perm)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.SetUnlinkOnClose(false)
	return &unixListener{l, path, made}, nil
}

// removeStale removes the socket at path if nobody listens on it.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s is in use by another server", path)
	}
	if !refused(err) {
		return fmt.Errorf("%s exists, and it is not known whether it is in use: %w", path, err)
	}
	return os.Remove(path)
}

// A unixListener removes its socket when it is closed, unless another server has
// put its own there.
type unixListener struct {
	*net.UnixListener
	path string
	made os.FileInfo
}

func (l *unixListener) Close() error {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
		os.Remove(l.path) // best effort: the next server removes it
	}
	return l.UnixListener.Close()
}
