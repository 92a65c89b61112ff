package smrmap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBucket_Match(t *testing.T) {
	for want := range uint64(256) {
		for other := range uint64(256) {
			for i := range slotsPerBucket {
				tags := other*tagBits&^(0xff<<(8*i)) | want<<(8*i) | 0xabcd<<48
				m := match(tags, want)
				if m&(0x80<<(8*i)) == 0 || m&^uint64(tagHigh) != 0 {
					t.Fatalf("%x in slot %d is missed: %x", want, i, m)
				}
				if other != want && index(m) != i {
					t.Fatalf("the lowest match of %x is %d, want %d", want, index(m), i)
				}
			}
		}
	}
	require.NotZero(t, tag(0))
}

// The words of a bucket keep what each of their parts says.
func TestBucket_Words(t *testing.T) {
	b := new(bucket)
	e := ref(new(byte))
	ctl := b.tryLock()
	require.Zero(t, b.tryLock())
	b.place(3, 0x77, e)
	b.setLink(0x12345678)
	require.EqualValues(t, 0x12345678, link(b.ctl.Load(), b.tags.Load()))
	require.False(t, b.changed(ctl))
	ctl = b.ctl.Load()
	for range 1 << 10 {
		b.ctl.Store(bumped(b.ctl.Load()))
		require.True(t, b.changed(ctl))
	}
	require.EqualValues(t, 0x12345678, link(b.ctl.Load(), b.tags.Load()))
	require.NotZero(t, b.ctl.Load()&locked)
	require.Equal(t, 3, index(match(b.tags.Load(), 0x77)))
	require.Equal(t, e, b.slots[3].Load())
	b.take(3)
	require.Zero(t, b.tags.Load()&tagsMask)
	require.EqualValues(t, 0x12345678, link(b.ctl.Load(), b.tags.Load()))

	before := b.ctl.Load()
	b.ctl.Store(before | moved)
	require.True(t, b.changed(before))
	// The version wraps into nothing.
	const last = ^uint64(0) >> stateShift << stateShift &^ moved
	require.Zero(t, bumped(last)>>(stateShift+1))
}

func TestBucket_Occupied(t *testing.T) {
	for _, set := range [][]byte{{}, {1}, {0, 1}, {1, 0, 0x80, 0, 0x7f, 0xff}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x80, 1, 0, 0, 0, 1}} {
		tags, want := uint64(0xffff)<<48, uint64(0) // the link's half is no tag
		for i, b := range set {
			tags |= uint64(b) << (8 * i)
			if b != 0 {
				want |= 0x80 << (8 * i)
			}
		}
		require.Equal(t, want, occupied(tags), "%x", set)
	}
}
