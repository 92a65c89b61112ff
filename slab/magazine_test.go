package slab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// permutations yields the orders of 0 to n-1.
func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		order := make([]int, 0, n)
		var rest func() bool
		rest = func() bool {
			if len(order) == n {
				return yield(order)
			}
			for i := range n {
				used := false
				for _, j := range order {
					used = used || i == j
				}
				if used {
					continue
				}
				order = append(order, i)
				if !rest() {
					return false
				}
				order = order[:len(order)-1]
			}
			return true
		}
		rest()
	}
}

// Whatever the order of arrival, the list is in the order of goals from both ends; equal
// goals are in the order of arrival.
func TestWaitList_InOrderOfGoals(t *testing.T) {
	check := func(l *waitList, n int) {
		t.Helper()
		require.Equal(t, n, l.n)
		var before *magazine
		for m := l.oldest; m != nil; m = m.next {
			require.True(t, m.prev == before)
			require.False(t, before != nil && m.goal.Before(before.goal))
			require.False(t, before != nil && m.goal == before.goal && m.n < before.n, "overtaken")
			before = m
			n--
		}
		require.True(t, l.newest == before)
		require.Zero(t, n)
	}
	for n := range 6 {
		for order := range permutations(n) {
			var l waitList
			for i, at := range order {
				l.insert(&magazine{goal: smr.Seq(at/2 + 1), n: i})
				check(&l, i+1)
			}
			for i := range order {
				m := l.pop()
				require.EqualValues(t, i/2+1, m.goal)
				require.Nil(t, m.next)
				require.Nil(t, m.prev)
				check(&l, n-1-i)
			}
		}
	}
}

func TestMagazineStack(t *testing.T) {
	var l magazineStack
	require.Nil(t, l.pop())
	all := []*magazine{new(magazine), new(magazine), new(magazine)}
	for i, m := range all {
		l.push(m)
		require.Equal(t, i+1, l.n)
	}
	for i := range all {
		m := l.pop()
		require.True(t, m == all[len(all)-1-i])
		require.Nil(t, m.next)
	}
	require.Nil(t, l.pop())
	require.Zero(t, l.n)
}
