package server

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smrkv answers as Redis does, byte by byte, except where testdata/script.txt
// says why not; and there it must not.
func TestDifferential(t *testing.T) {
	t.Run("RESP2", func(t *testing.T) { testDifferential(t, "2") })
	t.Run("RESP3", func(t *testing.T) { testDifferential(t, "3") })
}

// testDifferential runs the script in a protocol: where a line leaves the clients with
// another, or none, it is what they ask for next.
func testDifferential(t *testing.T, protocol string) {
	redisSocket := startRedis(t)
	s := start(t, Options{})
	commands := runScript(t, protocol, s.unix, redisSocket, "testdata/script*.txt")
	require.GreaterOrEqual(t, commands, 300)
}

// runScript sends what is in the files to both sockets, and returns how many commands that is.
func runScript(t *testing.T, protocol, ours, theirs, files string) (commands int) {
	var a, b *client
	hello := func() {
		got, want := a.do("HELLO", protocol), b.do("HELLO", protocol)
		require.Equal(t, withoutID(want), withoutID(got)) // an error before AUTH
	}
	connect := func() {
		a, b = dial(t, "unix", ours), dial(t, "unix", theirs)
		hello()
	}
	connect()
	for _, step := range readScript(t, files) {
		switch {
		case step.conn:
			a.Close()
			b.Close()
			connect()
			continue
		case step.closed:
			require.Empty(t, b.rest(), "%s: Redis has more to say", step.line)
			require.Empty(t, a.rest(), "%s", step.line)
			continue
		}
		a.send(step.send)
		b.send(step.send)
		var got, want string
		for range step.replies {
			commands++
			got, want = withoutID(a.reply()), withoutID(b.reply())
			if step.differs == "" {
				assert.Equal(t, want, got, "%s: %.200q", step.line, step.send)
			} else {
				assert.NotEqual(t, want, got, "%s: %.200q: this does not differ any more: %s", step.line, step.send, step.differs)
			}
		}
		if step.protocol && want != "+QUEUED\r\n" {
			hello()
		}
	}
	return commands
}

// withoutID returns a reply without the connection's id, if it is that of HELLO or has it in
// it: Redis and smrkv count from different clients.
func withoutID(reply string) string { return idPattern.ReplaceAllString(reply, "id\r\n:N\r\n") }

var idPattern = regexp.MustCompile(`\bid\r\n:\d+\r\n`)

// INCRBYFLOAT computes as Redis does, whatever the numbers are.
func TestDifferential_IncrByFloat(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("Redis's long double is another one")
	}
	theirs := dial(t, "unix", startRedis(t))
	ours := start(t, Options{}).dial(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		old, by := randomNumber(random), randomNumber(random)
		for _, command := range [][]string{{"SET", "f", old}, {"INCRBYFLOAT", "f", by}, {"INCRBYFLOAT", "f", by}, {"GET", "f"}} {
			require.Equal(t, theirs.do(command...), ours.do(command...), "%d: %.100q, by %.100q", i, old, by)
		}
	}
}

// randomNumber returns what is often a number, of any size and in any notation.
func randomNumber(random *rand.Rand) string {
	digits := func(base, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(strconv.FormatInt(random.Int64N(int64(base)), base))
		}
		return b.String()
	}
	few := func() int { return random.IntN(1 + random.IntN(25)) }
	exponent := func(most int) string { return strconv.Itoa(random.IntN(2*most) - most) }
	sign := []string{"", "", "-", "+"}[random.IntN(4)]
	switch random.IntN(12) {
	case 0:
		return sign + digits(10, few()) // perhaps none
	case 1, 2, 3:
		return sign + digits(10, 1+few()) + "." + digits(10, few())
	case 4, 5:
		return sign + digits(10, few()) + "." + digits(10, few()) + "e" + exponent(1+random.IntN(30))
	case 6:
		return sign + digits(10, few()) + "." + digits(10, few()) + "E" + exponent(5100)
	case 7:
		return sign + "0x" + digits(16, few()) + "." + digits(16, few()) + "p" + exponent(1+random.IntN(100))
	case 8:
		return sign + "0X" + strings.ToUpper(digits(16, few())) + "P" + exponent(16500)
	case 9: // about as long as may be
		return sign + digits(10, 1+random.IntN(3000)) + "." + digits(10, 2100+random.IntN(30)) + "e" + exponent(3000)
	case 10:
		return sign + "0." + strings.Repeat("0", few()) + digits(10, 30) // near where the places end
	default:
		const some = "0123456789.eExXpP+-infaty "
		var b strings.Builder
		for range 1 + random.IntN(6) {
			b.WriteByte(some[random.IntN(len(some))])
		}
		return b.String()
	}
}

// The commands on bits, and LCS, do as Redis does, whatever their arguments are.
func TestDifferential_Random(t *testing.T) {
	theirs := dial(t, "unix", startRedis(t))
	ours := start(t, Options{}).dial(t)
	random := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		command := randomBits(random)
		require.Equal(t, theirs.do(command...), ours.do(command...), "%.200q", command)
	}
}

// randomBits returns a command on the bits, or the bytes, of one of a few short values.
func randomBits(random *rand.Rand) []string {
	key := func() string { return string(rune('a' + random.IntN(4))) }
	number := func(n int) string { return strconv.Itoa(random.IntN(n) - random.IntN(n)*random.IntN(2)) }
	rangeOf := func() []string {
		return []string{number(60), number(60), []string{"BIT", "BYTE"}[random.IntN(2)]}[:random.IntN(4)]
	}
	switch random.IntN(9) {
	case 8:
		options := [][]string{nil, {"LEN"}, {"IDX"}, {"IDX", "WITHMATCHLEN"}, {"IDX", "MINMATCHLEN", number(5)}}
		return append([]string{"LCS", key(), key()}, options[random.IntN(len(options))]...)
	case 0:
		value := make([]byte, random.IntN(40))
		for i := range value {
			value[i] = []byte{0, 0, 255, byte(random.Uint32())}[random.IntN(4)]
		}
		return []string{"SET", key(), string(value)}
	case 1:
		return []string{"SETBIT", key(), number(200), number(2)}
	case 2:
		return []string{"GETBIT", key(), number(200)}
	case 3:
		return append([]string{"BITCOUNT", key()}, rangeOf()...)
	case 4:
		return append([]string{"BITPOS", key(), number(2)}, rangeOf()...)
	case 5:
		return []string{"BITOP", []string{"AND", "OR", "XOR", "NOT"}[random.IntN(4)], key(), key(), key(), key()}[:4+random.IntN(3)]
	case 6:
		return []string{"GET", key()}
	}
	command := []string{"BITFIELD", key()}
	for range random.IntN(6) {
		if random.IntN(3) == 0 {
			command = append(command, "OVERFLOW", []string{"WRAP", "SAT", "FAIL"}[random.IntN(3)])
		}
		op := []string{"GET", "SET", "INCRBY"}[random.IntN(3)]
		width := random.IntN(66)
		command = append(command, op, []string{"i", "u"}[random.IntN(2)]+strconv.Itoa(max(width, 1)), []string{"", "#"}[random.IntN(2)]+strconv.Itoa(random.IntN(10)))
		if op != "GET" {
			command = append(command, strconv.FormatInt(int64(random.Uint64())>>random.IntN(64), 10))
		}
	}
	return command
}

// startRedis starts a redis-server and returns its socket.
func startRedis(t *testing.T) string {
	socket, lines := launchRedis(t)
	awaitLine(t, lines, "ready to accept connections")
	return socket
}

// launchRedis starts a redis-server. It returns the lines of its log as well, which say
// when it is ready.
func launchRedis(t *testing.T, args ...string) (string, *bufio.Scanner) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is nothing to compare with:", err)
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "redis")
	cmd := exec.CommandContext(testContext(t), path, append([]string{"--port", "0", "--unixsocket", socket, "--dir", dir,
		"--save", "", "--appendonly", "no", "--databases", "16"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // it was killed
	})
	return socket, bufio.NewScanner(out)
}

func awaitLine(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatal("redis-server ends, or is late, and did not say:", text)
}

// A step is a line of the script.
type step struct {
	line         string // its file and number
	send         string
	replies      int
	conn, closed bool
	protocol     bool   // it changes the protocol, or could
	differs      string // why
}

// readScript reads files that a pattern names, one after the other.
func readScript(t *testing.T, files string) (steps []step) {
	names, err := filepath.Glob(files)
	require.NoError(t, err)
	for _, name := range names {
		steps = append(steps, readSteps(t, name)...)
		steps = append(steps, step{conn: true})
	}
	return steps
}

func readSteps(t *testing.T, name string) (steps []step) {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	differs := ""
	for i, text := range strings.Split(string(b), "\n") {
		st := step{line: fmt.Sprintf("%s:%d", name, i+1)}
		directive, rest, _ := strings.Cut(text, " ")
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
			continue
		case directive == "differs":
			differs = rest
			continue
		case text == "conn":
			st.conn = true
		case text == "closed":
			st.closed = true
		case directive == "raw":
			count, words, _ := strings.Cut(rest, " ")
			st.replies, err = strconv.Atoi(count)
			require.NoError(t, err, st.line)
			st.send = strings.Join(splitWords(t, words), "")
		default:
			st.replies = 1
			st.send = encode(splitWords(t, text)...)
			st.protocol = directive == "RESET" || directive == "HELLO" || directive == "AUTH"
		}
		st.differs, differs = differs, ""
		steps = append(steps, st)
	}
	return steps
}

var (
	wordPattern   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^ "]+`)
	repeatPattern = regexp.MustCompile(`^%(\d+)(.*)$`)
)

func splitWords(t *testing.T, text string) (words []string) {
	for _, w := range wordPattern.FindAllString(text, -1) {
		if m := repeatPattern.FindStringSubmatch(w); m != nil {
			n, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			w = strings.Repeat(m[2], n)
		} else if w[0] == '"' {
			unquoted, err := strconv.Unquote(w)
			require.NoError(t, err, w)
			w = unquoted
		}
		words = append(words, w)
	}
	require.NotEmpty(t, words, fmt.Sprintf("%q", text))
	return words
}
