package smrmap

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

type value [4]uint64

var sink value

func BenchmarkMap(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		m, err := New[uint64, value](Options{})
		if err != nil {
			b.Fatal(err)
		}
		const mult = 0x9e3779b97f4a7c15
		for i := range n {
			m.Store(uint64(i)*mult, value{uint64(i)})
		}
		keys := make([]uint32, 1<<22)
		for i := range keys {
			keys[i] = uint32(rand.Uint64N(uint64(n)))
		}
		b.Run(fmt.Sprintf("Load/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				sink, _ = m.Load(uint64(keys[i&(1<<22-1)]) * mult)
				i++
			}
		})
		// 16 keys at once; the figure is of one.
		ks, vs, found := make([]uint64, 16), make([]value, 16), make([]bool, 16)
		for name, do := range map[string]func(){
			"LoadAll":  func() { m.LoadAll(ks, vs, found) },
			"StoreAll": func() { m.StoreAll(ks, vs) },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for i := 0; i < b.N; i += len(ks) {
					for j := range ks {
						ks[j] = uint64(keys[(i+j)&(1<<22-1)]) * mult
					}
					do()
				}
			})
		}
		b.Run(fmt.Sprintf("Store/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Store(uint64(keys[i&(1<<22-1)])*mult, value{uint64(i)})
				i++
			}
		})
		b.Run(fmt.Sprintf("Insert+Delete/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Store(uint64(i), value{uint64(i)})
				m.Delete(uint64(i))
				i++
			}
		})
		fmt.Printf("%+v\n", m.Stats())
	}
}
