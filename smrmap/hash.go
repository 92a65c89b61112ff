package smrmap

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"unsafe"
)

// A hasher hashes keys with a seed of its map, so that outsiders can't choose keys that collide.
type hasher[K comparable] struct {
	seed   maphash.Seed
	ints   intHasher
	isInts bool
	// mayBeNaN: keys may differ from themselves, as NaN does. No lookup finds such a key, so hash
	// may return another hash each time, as maphash does. Its entry keeps one: see Map.hashOf.
	mayBeNaN bool
}

func newHasher[K comparable]() hasher[K] {
	h := hasher[K]{seed: maphash.MakeSeed(), ints: intHasher{rand.Uint64(), rand.Uint64() | 1}}
	switch reflect.TypeFor[K]().Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		h.isInts = true
	}
	h.mayBeNaN = mayHoldNaN(reflect.TypeFor[K]())
	return h
}

// mayHoldNaN reports whether a value of type t may differ from itself.
func mayHoldNaN(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128, reflect.Interface:
		return true
	case reflect.Array:
		return mayHoldNaN(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if mayHoldNaN(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// hash returns the hash of k, a random one if k differs from itself.
func (h *hasher[K]) hash(k K) uint64 {
	if h.isInts {
		return h.ints.hash(integer(k))
	}
	return maphash.Comparable(h.seed, k)
}

// An intHasher hashes integers, for which maphash.Comparable would be most of a lookup: it
// multiplies by a secret, twice, and folds (as in wyhash, Wang Yi).
type intHasher struct{ a, b uint64 }

func (h *intHasher) hash(x uint64) uint64 {
	hi, lo := bits.Mul64(x^h.a, h.b)
	hi, lo = bits.Mul64(hi^lo, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// integer returns the bits of k, which has an integer type.
func integer[K comparable](k K) uint64 {
	switch p := unsafe.Pointer(&k); unsafe.Sizeof(k) {
	case 1:
		return uint64(*(*uint8)(p))
	case 2:
		return uint64(*(*uint16)(p))
	case 4:
		return uint64(*(*uint32)(p))
	default:
		return *(*uint64)(p)
	}
}
