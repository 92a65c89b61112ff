package slab

import (
	"reflect"
	"strings"
)

// pointerFree reports whether a value of type t holds no pointer that the collector must see.
func pointerFree(t reflect.Type, offHeapLinks bool) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return t.Len() == 0 || pointerFree(t.Elem(), offHeapLinks)
	case reflect.Struct:
		if offHeapLinks && isLink(t) {
			return true
		}
		for f := range t.NumField() {
			if !pointerFree(t.Field(f).Type, offHeapLinks) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// CanBeOffHeap reports whether a [Pool] of T is off the Go heap, given the zero Options.
func CanBeOffHeap[T any]() bool { return offHeap(reflect.TypeFor[T](), false) }

func offHeap(t reflect.Type, offHeapLinks bool) bool {
	return pointerFree(t, offHeapLinks) && t.Size() <= maxObject && t.Align() <= firstObject
}

// isLink reports whether t is an smr.Pointer or an smrq.Link. It compares names, since this
// package must not import smrq.
func isLink(t reflect.Type) bool {
	module := strings.TrimSuffix(reflect.TypeFor[Budget]().PkgPath(), "slab")
	return t.PkgPath() == module+"smr" && strings.HasPrefix(t.Name(), "Pointer[") ||
		t.PkgPath() == module+"smrq" && strings.HasPrefix(t.Name(), "Link[")
}
