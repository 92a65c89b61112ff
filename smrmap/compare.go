package smrmap

// CompareAndSwap stores new for k if its value is old, and reports whether it did. Errors are
// those of [Map.Store]. As == does, it panics if V is an interface type and the values are
// not comparable.
//
// Cost: that of a [Map.Load], and where the values are equal that of [Map.Compute] as well.
func CompareAndSwap[K, V comparable](m *Map[K, V], k K, old, new V) (swapped bool, err error) {
	if v, ok := m.Load(k); !ok || v != old {
		return false, nil
	}
	_, _, err = m.Compute(k, func(v V, ok bool) (V, Op) {
		if swapped = ok && v == old; swapped {
			return new, UpdateOp
		}
		return v, CancelOp
	})
	return swapped && err == nil, err
}

// CompareAndDelete deletes the entry of k if its value is old, and reports whether it did. It
// panics as [CompareAndSwap] does, and costs as much.
func CompareAndDelete[K, V comparable](m *Map[K, V], k K, old V) (deleted bool) {
	if v, ok := m.Load(k); !ok || v != old {
		return false
	}
	m.Compute(k, func(v V, ok bool) (V, Op) {
		if deleted = ok && v == old; deleted {
			return v, DeleteOp
		}
		return v, CancelOp
	})
	return deleted
}
