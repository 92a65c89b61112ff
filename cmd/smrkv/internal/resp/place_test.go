package resp

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

// A testPlacer gives places of the Go heap, or none now and then.
type testPlacer struct {
	places int
	refuse bool
}

func (p *testPlacer) Place(args [][]byte, n int) []byte {
	if p.refuse {
		return nil
	}
	p.places++
	return make([]byte, n)
}

// Commands are the same wherever their arguments are, however they are cut up, and all that was
// charged is given back.
func TestParser_Places(t *testing.T) {
	const large = 100
	rnd := rand.New(rand.NewPCG(1, 2))
	var input strings.Builder
	var want [][]string
	for range 300 {
		command := make([]string, 1+rnd.IntN(5))
		input.WriteString("*" + strconv.Itoa(len(command)) + "\r\n")
		for i := range command {
			command[i] = strings.Repeat(strconv.Itoa(rnd.IntN(10)), rnd.IntN(1<<rnd.IntN(17)))
			input.WriteString("$" + strconv.Itoa(len(command[i])) + "\r\n" + command[i] + "\r\n")
		}
		want = append(want, command)
	}
	for _, most := range []int{1 << 20, 100_000, 3000} {
		var client buffer.Client
		budget := buffer.NewBudget(64 << 20)
		client.Init(budget, func() {})
		var p Parser
		var placer testPlacer
		p.Init(&client.Queries, nil)
		p.PlaceLarge(large, &placer)
		left, n := input.String(), 0
		for {
			args, err := p.Next()
			require.NoError(t, err)
			if args != nil {
				require.Len(t, args, len(want[n]))
				for i := range args {
					require.True(t, string(args[i]) == want[n][i], "argument %d of command %d", i, n)
				}
				n++
				continue
			}
			if left == "" {
				break
			}
			if rnd.IntN(4) == 0 {
				p.Release()
			}
			placer.refuse = rnd.IntN(4) == 0
			space, err := p.Space()
			require.NoError(t, err)
			took := min(len(left), 1+rnd.IntN(most))
			m := copy(space, left[:took])
			if m == len(space) {
				m += copy(p.Tail(), left[m:took])
			}
			p.Filled(m)
			left = left[m:]
		}
		require.Equal(t, len(want), n)
		require.Positive(t, placer.places)
		p.Release()
		p.Close()
		queries, _ := budget.Used()
		require.Zero(t, queries)
	}
}
