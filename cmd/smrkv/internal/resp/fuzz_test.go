package resp

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

// parse feeds stream to a parser, cut up by sizes (from the first again when they
// are used up), and returns the commands and the error it ends with.
func parse(tb testing.TB, stream []byte, sizes []int, unauthenticated bool) (commands []string, failure string) {
	tb.Helper()
	budget, account := newAccount(64 << 20)
	var p Parser
	p.Init(account, nil)
	p.Unauthenticated = unauthenticated
	fed, peak := 0, 0
	for i := 0; ; i++ {
		for {
			args, err := p.Next()
			if err != nil {
				return commands, err.Error()
			}
			if args == nil {
				break
			}
			commands = append(commands, fmt.Sprintf("%q", args))
		}
		if fed == len(stream) {
			break
		}
		p.Release()
		space, err := p.Space()
		if err != nil {
			return commands, err.Error()
		}
		if len(space) == 0 {
			tb.Fatal("no space, and no error")
		}
		// What a connection has anyway; two and a half times the most that was
		// buffered since nothing was; and what that is as arguments, of 6 bytes each.
		if peak = max(peak, p.Buffered()); p.Buffered() == 0 {
			peak = 0
		}
		if most := buffer.Base + manyArgs*bytesPerArg + 5*peak/2 + 2*peak/6*bytesPerArg; p.Memory() > most {
			tb.Fatalf("%d bytes of memory for %d buffered", p.Memory(), peak)
		}
		n := copy(space[:min(len(space), max(sizes[i%len(sizes)], 1))], stream[fed:])
		p.Filled(n)
		fed += n
	}
	p.Close()
	if used := used(budget); used != 0 {
		tb.Fatalf("%d bytes of the budget are not given back", used)
	}
	return commands, ""
}

// However a stream is cut up, it is the same commands and the same error.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"*1\r\n$4\r\nPING\r\n",
		"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
		"PING\r\nSET a \"b\\x41\\n\" \r\nGET 'it\\'s'\n",
		"*0\r\n*-1\r\n\r\n*1\r\n$0\r\n\r\n",
		"*2\r\n$3\r\nGET\r\n:3\r\nkey\r\n",
		"*1\r\n$536870913\r\n", "*1048577\r\n", "*1\r\n$-1\r\n", "*01\r\n", "SET \"a\r\n",
		"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$20000\r\n",
		"*1\r\rPING", "*11\r\n", "*1\r\n$16385\r\n",
	} {
		f.Add([]byte(s), uint64(1), false)
		f.Add([]byte(s), uint64(2), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, unauthenticated bool) {
		whole, failure := parse(t, stream, []int{len(stream)}, unauthenticated)
		random := rand.New(rand.NewPCG(seed, seed))
		sizes := make([]int, 64)
		for i := range sizes {
			sizes[i] = 1 + random.IntN(1+random.IntN(40))
		}
		for _, cut := range [][]int{sizes, {1}} {
			cutUp, cutFailure := parse(t, stream, cut, unauthenticated)
			if fmt.Sprint(whole) != fmt.Sprint(cutUp) || failure != cutFailure {
				t.Fatalf("in one piece: %q, error %q\ncut up %v: %q, error %q", whole, failure, cut, cutUp, cutFailure)
			}
		}
	})
}

// newAccount returns the account of the only client of a budget.
func newAccount(limit int64) (*buffer.Budget, *buffer.Account) {
	b := buffer.NewBudget(limit)
	c := new(buffer.Client)
	c.Init(b, func() {})
	return b, &c.Queries
}

func used(b *buffer.Budget) int64 {
	queries, replies := b.Used()
	return queries + replies
}
