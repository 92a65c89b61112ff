// Package lincheck records what goroutines do to the maps of package smrmap while the maps
// grow and shrink, and asks porcupine (Athalye) whether some sequential order of the
// operations explains every answer.
package lincheck
