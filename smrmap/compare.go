package smrmap

// CompareAndSwap stores new for k if its value is old, and reports whether it did. Errors are those
// of [Map.Store]. Like ==, it panics if V is an interface type and the values are not comparable.
//
// Cost: that of a [Map.Load], and if the values are equal that of [Map.Compute] as well.
func CompareAndSwap[K, V comparable](m *Map[K, V], k K, old, new V) (swapped bool, err error) {
	return commitIfEqual(m, k, old, new, UpdateOp)
}

// CompareAndDelete deletes the entry of k if its value is old, and reports whether it did. It
// panics as [CompareAndSwap] does, and costs as much.
func CompareAndDelete[K, V comparable](m *Map[K, V], k K, old V) (deleted bool) {
	deleted, _ = commitIfEqual(m, k, old, old, DeleteOp) // only UpdateOp fails
	return deleted
}

// commitIfEqual does op to the entry of k if its value is old, and reports whether it did.
func commitIfEqual[K, V comparable](m *Map[K, V], k K, old, next V, op Op) (done bool, err error) {
	if v, ok := m.Load(k); !ok || v != old {
		return false, nil
	}
	_, _, err = m.Compute(k, func(v V, ok bool) (V, Op) {
		if done = ok && v == old; done {
			return next, op
		}
		return v, CancelOp
	})
	return done && err == nil, err
}
