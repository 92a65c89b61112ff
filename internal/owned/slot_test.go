package owned

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/litmus"
)

// share is what a user embeds a Slot in.
type share struct{ Slot[value] }

type value struct{ used bool }

// fences are the two ways in which owners and revokers may fence.
func fences() map[string]asym.Fence {
	return map[string]asym.Fence{"Membarrier": asym.New(), "Both": asym.Both()}
}

// A Revoke does not return while an owner that found the value uses it.
func TestRevoke_WaitsForOwner(t *testing.T) {
	for name, fence := range fences() {
		t.Run(name, func(t *testing.T) {
			sh, v := new(share), new(value)
			sh.Value.Store(v)
			var revoked litmus.Word
			broken, inUse := 0, 0
			litmus.Duel(t,
				func(round uint64) {
					if !sh.TryLock(fence) {
						panic("somebody uses the slot")
					}
					if v := sh.Value.Load(); v != nil {
						v.used = true
						if revoked.Glance(round) {
							broken++
						}
						v.used = false
					}
					sh.Unlock()
				},
				func(round uint64) {
					for _, v := range Revoke(fence, []*share{sh}, nil) {
						if v.used { // a race, if the owner is still at it
							inUse++
						}
					}
					revoked.Store(round)
				},
				func(uint64) { sh.Value.Store(v) })
			require.Zero(t, broken+inUse, "values were revoked while their owner used them")
		})
	}
}

func TestRevoke_TakesEachValueOnce(t *testing.T) {
	fence := asym.New()
	all := []*share{new(share), new(share), new(share)}
	first, second := new(value), new(value)
	all[0].Value.Store(first)
	all[2].Value.Store(second)
	require.Equal(t, []*value{first, second}, Revoke(fence, all, nil))
	require.Empty(t, Revoke(fence, all, nil))
	require.Empty(t, Revoke[value](fence, []*share{}, nil))
}

// What a revoker leaves is in every slot, also in those that were empty, and keeps an owner
// from installing a value.
func TestRevoke_Leaves(t *testing.T) {
	fence := asym.New()
	all := []*share{new(share), new(share)}
	v, over := new(value), new(value)
	all[1].Value.Store(v)
	require.Equal(t, []*value{v}, Revoke(fence, all, over))
	require.Empty(t, Revoke(fence, all, over), "what is left is not a value")
	for _, sh := range all {
		require.True(t, sh.TryLock(fence))
		require.Same(t, over, sh.Value.Load())
		require.False(t, sh.Value.CompareAndSwap(nil, v))
		sh.Unlock()
	}
}

func TestTryLock_NotNested(t *testing.T) {
	fence, sh := asym.New(), new(share)
	require.True(t, sh.TryLock(fence))
	require.False(t, sh.TryLock(fence))
	sh.Unlock()
	require.True(t, sh.TryLock(fence))
}
