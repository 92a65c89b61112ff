package resp

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
	"github.com/gosmr/gosmr/smr"
)

func TestParser_Commands(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"*1\r\n$4\r\nPING\r\n", []string{`["PING"]`}},
		{"*2\r\n$0\r\n\r\n$3\r\na\r\n\r\n", []string{`["" "a\r\n"]`}},
		{"*0\r\n*-5\r\n\r\n\nPING\n", []string{`["PING"]`}},
		{"*1\r\n$4\r\nPINGxxPING\r\n", []string{`["PING"]`, `["PING"]`}}, // what ends a bulk is not looked at
		{"  set a\t\"b \\\"c\\x00\\n\\q\" 'd\\'\\n' \r\n", []string{`["set" "a" "b \"c\x00\nq" "d'\\n"]`}},
		{`a"b"` + "\r\n", []string{`["ab"]`}},
		{`"" ''` + "\n", []string{`["" ""]`}},
		{"*2\r\n$3\r\nGET\r\n$3\r\nke", nil},
	} {
		for _, sizes := range [][]int{{1 << 20}, {1}, {2, 3}} {
			got, failure := parse(t, []byte(tc.in), sizes, false)
			require.Empty(t, failure, "%q", tc.in)
			require.Equal(t, tc.want, got, "%q", tc.in)
		}
	}
}

func TestParser_Errors(t *testing.T) {
	long := strings.Repeat("1", MaxLine+1)
	for _, tc := range []struct {
		in, want string
		unauth   bool
	}{
		{in: "*a\r\n", want: "invalid multibulk length"},
		{in: "*01\r\n", want: "invalid multibulk length"},
		{in: "*-0\r\n", want: "invalid multibulk length"},
		{in: "*\r\n", want: "invalid multibulk length"},
		{in: "*1048577\r\n", want: "invalid multibulk length"},
		{in: "*9223372036854775808\r\n", want: "invalid multibulk length"},
		{in: "*1\r\n$-1\r\n", want: "invalid bulk length"},
		{in: "*1\r\n$536870913\r\n", want: "invalid bulk length"},
		{in: "*1\r\n$4x\r\n", want: "invalid bulk length"},
		{in: "*1\r\n:4\r\n", want: "expected '$', got ':'"},
		{in: "*1\r\n*1\r\n", want: "expected '$', got '*'"},
		{in: "GET \"a\r\n", want: "unbalanced quotes in request"},
		{in: "GET 'a'b\r\n", want: "unbalanced quotes in request"},
		{in: long, want: "too big inline request"},
		{in: long + "\n", want: "too big inline request"},
		{in: "*" + long, want: "too big mbulk count string"},
		{in: "*" + long + "\r\n", want: "too big mbulk count string"},
		{in: "*1\r\n$" + long, want: "too big bulk count string"},
		{in: "*11\r\n", want: "unauthenticated multibulk length", unauth: true},
		{in: "*1\r\n$16385\r\n", want: "unauthenticated bulk length", unauth: true},
	} {
		for _, sizes := range [][]int{{1 << 20}, {1}} {
			_, failure := parse(t, []byte("PING\r\n"+tc.in), sizes, tc.unauth)
			require.Equal(t, "Protocol error: "+tc.want, failure, "%.40q", tc.in)
		}
	}
}

// A length that is announced takes no memory; what arrives does, and the budget
// bounds it.
func TestParser_GrowsAsBytesArrive(t *testing.T) {
	budget, account := newAccount(8 << 20)
	var p Parser
	p.Init(account, nil)
	feed := func(b []byte) error {
		for len(b) > 0 {
			args, err := p.Next()
			require.NoError(t, err)
			require.Nil(t, args)
			space, err := p.Space()
			if err != nil {
				return err
			}
			n := copy(space, b)
			p.Filled(n)
			b = b[n:]
		}
		_, err := p.Next()
		return err
	}
	require.NoError(t, feed([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n")))
	require.LessOrEqual(t, p.Memory(), 2*buffer.Base)
	require.Zero(t, used(budget))
	chunk := make([]byte, 100_000)
	var err error
	fed := 0
	for err == nil {
		if err = feed(chunk); err == nil {
			fed += len(chunk)
			require.LessOrEqual(t, p.Memory(), 5*fed/2+3*buffer.Base)
		}
	}
	require.ErrorIs(t, err, ErrNoRoom)
	require.Greater(t, fed, 3<<20)
	p.Close()
	require.Zero(t, used(budget))
}

// So do arguments: each takes more here than on its way.
func TestParser_ManyArguments(t *testing.T) {
	stream := append([]byte("*1048576\r\n"), bytes.Repeat([]byte("$0\r\n\r\n"), MaxArgs)...)
	budget, account := newAccount(256 << 20)
	var p Parser
	p.Init(account, nil)
	for {
		args, err := p.Next()
		require.NoError(t, err)
		if args != nil {
			require.Len(t, args, MaxArgs)
			break
		}
		space, err := p.Space()
		require.NoError(t, err)
		n := copy(space, stream)
		p.Filled(n)
		stream = stream[n:]
	}
	require.Positive(t, used(budget))
	args, err := p.Next()
	require.Nil(t, args)
	require.NoError(t, err)
	p.Release()
	require.Zero(t, used(budget))
	require.LessOrEqual(t, p.Memory(), keptArgs*bytesPerArg)
}

// The room that a large command took is given back although the next one has
// begun, and that goes on as if nothing had happened.
func TestParser_ReleaseWithinACommand(t *testing.T) {
	budget, account := newAccount(64 << 20)
	var p Parser
	p.Init(account, nil)
	defer p.Close()
	feed := func(b []byte) (args [][]byte) {
		for len(b) > 0 {
			space, err := p.Space()
			require.NoError(t, err)
			n := copy(space, b)
			p.Filled(n)
			b = b[n:]
			args, err = p.Next()
			require.NoError(t, err)
		}
		return args
	}
	const many = 20_000
	large := append(fmt.Appendf(nil, "*%d\r\n", many), bytes.Repeat([]byte("$1\r\na\r\n"), many)...)
	next := "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"
	for cut := range next {
		require.Len(t, feed(append(large, next[:cut]...)), many)
		require.Greater(t, used(budget), int64(100_000))
		args, err := p.Next()
		require.NoError(t, err)
		require.Nil(t, args)
		p.Release()
		require.LessOrEqual(t, used(budget), int64(buffer.Base), "for what waits for more")
		require.LessOrEqual(t, p.Memory(), buffer.Base+keptArgs*bytesPerArg)
		require.Equal(t, "[SET key value]", fmt.Sprintf("%s", feed([]byte(next[cut:]))))
	}
}

// Arguments of the last command don't keep its buffer from being collected.
func TestParser_ReleaseKeepsNoBuffer(t *testing.T) {
	var p Parser
	_, account := newAccount(0)
	p.Init(account, nil)
	defer p.Close()
	space, err := p.Space()
	require.NoError(t, err)
	p.Filled(copy(space, "ECHO hello\r\n"))
	args, err := p.Next()
	require.NoError(t, err)
	require.Len(t, args, 2)
	p.Release()
	for _, arg := range p.args[:cap(p.args)] {
		require.Nil(t, arg)
	}
}

// Arguments stay what they are when the buffer moves and grows around them.
func TestParser_LargeArguments(t *testing.T) {
	var stream []byte
	var want []string
	for _, n := range []int{0, 1, 100, buffer.Base - 10, buffer.Base, 3*buffer.Base + 7, 1 << 20, 5_000_000, 10} {
		b := bytes.Repeat([]byte{byte('a' + n%26)}, n)
		stream = fmt.Appendf(stream, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nx\r\n", n, b)
		want = append(want, fmt.Sprintf("%q", []string{"SET", string(b), "x"}))
	}
	for _, sizes := range [][]int{{1 << 30}, {1000, 1, 70_000}} {
		got, failure := parse(t, stream, sizes, false)
		require.Empty(t, failure)
		require.True(t, fmt.Sprint(want) == fmt.Sprint(got))
	}
}

func TestParser_AllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop buffers")
	}
	command := []byte("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\nPING\r\n")
	var p Parser
	_, account := newAccount(0)
	pool := buffer.NewPool(smr.Default())
	p.Init(account, pool)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		for {
			args, _ := p.Next()
			if args == nil {
				break
			}
		}
		p.Release()
		space, _ := p.Space()
		p.Filled(copy(space, command))
	}))
}

func TestParseInt(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"7", 7, true}, {"-1", -1, true}, {"10", 10, true},
		{"9223372036854775807", math.MaxInt64, true}, {"-9223372036854775808", math.MinInt64, true},
		{"9223372036854775808", 0, false}, {"-9223372036854775809", 0, false},
		{"99999999999999999999", 0, false}, {"18446744073709551616", 0, false}, {"-99999999999999999999", 0, false},
		{"", 0, false}, {"-", 0, false}, {"-0", 0, false}, {"01", 0, false}, {"+1", 0, false}, {" 1", 0, false}, {"1 ", 0, false}, {"1.0", 0, false}, {"0x1", 0, false},
	} {
		got, ok := ParseInt([]byte(tc.in))
		require.Equal(t, tc.ok, ok, "%q", tc.in)
		require.Equal(t, tc.want, got, "%q", tc.in)
	}
}

func TestAppend(t *testing.T) {
	var b []byte
	b = AppendSimple(b, "OK")
	b = AppendError(b, "ERR two\r\nlines")
	b = AppendInt(b, -12)
	b = AppendBulk(b, "hello world")
	b = AppendBulk(b, []byte(nil))
	b = AppendArray(b, 10)
	require.Equal(t, "+OK\r\n-ERR two  lines\r\n:-12\r\n$11\r\nhello world\r\n$0\r\n\r\n*10\r\n", string(b))
	require.Len(t, AppendInt(nil, math.MinInt64), HeaderSize)
}

func TestAppend_Protocols(t *testing.T) {
	for p, want := range map[Protocol]string{
		RESP2: "$-1\r\n*-1\r\n*24\r\n*3\r\n$5\r\nlines\r\n",
		RESP3: "_\r\n_\r\n%12\r\n~3\r\n=9\r\ntxt:lines\r\n",
	} {
		b := p.AppendNullArray(p.AppendNull(nil))
		b = p.AppendSet(p.AppendMap(b, 12), 3)
		b = append(p.AppendTextHeader(b, len("lines")), "lines\r\n"...)
		require.Equal(t, want, string(b))
	}
	require.Equal(t, ">2\r\n", string(AppendPush(nil, 2)))
}

// Memory returns how many bytes the parser holds.
func (p *Parser) Memory() int {
	n := cap(p.spans)*16 + cap(p.args)*24
	if p.buf != nil {
		n += cap(p.buf.B)
	}
	return n
}
