package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// tlsFiles are what -tls-cert, -tls-key and -tls-ca name.
type tlsFiles struct {
	cert, key, ca string
	current       atomic.Pointer[tls.Config] // as they were when last loaded
}

// load reads the files, for connections from now on; if it fails nothing has changed.
func (f *tlsFiles) load() error {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("-tls-cert, -tls-key: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if err == nil && !config.ClientCAs.AppendCertsFromPEM(text) {
			err = errors.New(f.ca + " has no certificate")
		}
		if err != nil {
			return fmt.Errorf("-tls-ca: %w", err)
		}
	}
	f.current.Store(config)
	return nil
}

// config returns what follows load.
func (f *tlsFiles) config() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.current.Load(), nil }}
}
