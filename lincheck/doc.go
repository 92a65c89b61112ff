// Package lincheck records what goroutines do to the maps of package smrmap while these
// grow and shrink, and asks porcupine (Athalye) whether some order of the operations, one
// after another, explains every answer. It is a module of its own for the sake of that
// dependency.
package lincheck
