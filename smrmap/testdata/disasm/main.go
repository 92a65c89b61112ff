// Command disasm has maps of some types, whose Load the tests of package smrmap look at.
package main

import (
	"fmt"

	"github.com/gosmr/gosmr/smrmap"
)

func main() {
	load(uint64(1), [4]uint64{})
	load(uint64(1), uint64(1))
	load([2]uint64{}, [3]uint64{})
}

func load[K comparable, V any](k K, v V) {
	m, err := smrmap.New[K, V](smrmap.Options{})
	if err != nil {
		panic(err)
	}
	if err := m.Store(k, v); err != nil {
		panic(err)
	}
	fmt.Println(m.Load(k))
	fmt.Println(m.LoadAll([]K{k}, []V{v}, []bool{false}))
}
