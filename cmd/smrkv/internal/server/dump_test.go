package server

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// payload returns the bulk string in a reply.
func payload(t *testing.T, reply string) string {
	t.Helper()
	header, rest, _ := strings.Cut(reply, "\r\n")
	n, err := strconv.Atoi(header[1:])
	require.NoError(t, err, reply)
	return rest[:n]
}

// signed returns a payload with a version and a checksum.
func signed(body []byte, version uint16) string {
	b := binary.LittleEndian.AppendUint16(bytes.Clone(body), version)
	return string(binary.LittleEndian.AppendUint64(b, dumpChecksum(b)))
}

// Redis restores what is dumped here, and the other way round; what is too short to be
// compressed is dumped as Redis does.
func TestDump_BothWays(t *testing.T) {
	theirs, ours := dial(t, "unix", startRedis(t)), start(t, Options{}).dial(t)
	random := rand.New(rand.NewPCG(5, 6))
	var values []string
	for _, n := range []int64{0, 1, -1, 127, 128, -128, -129, 32767, 32768, -32768, -32769, 1<<31 - 1, 1 << 31, -1 << 31, -1<<31 - 1, 1 << 62} {
		values = append(values, strconv.FormatInt(n, 10))
	}
	for _, n := range []int{0, 1, 11, 20, 21, 63, 64, 300, 16383, 16384, 20_000, 70_000, 1_000_000} {
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		text := make([]byte, n)
		for i := range text {
			text[i] = "aaab"[random.IntN(4)]
		}
		values = append(values, string(noise), string(text), strings.Repeat("x", n), strings.Repeat("abc", n/3))
	}
	values = append(values, "01", "-0", "+1", "00000000001", " 1", "1.5")
	for i, v := range values {
		for _, c := range []*client{theirs, ours} {
			require.Equal(t, "+OK\r\n", c.do("SET", "k", v))
		}
		a, b := payload(t, ours.do("DUMP", "k")), payload(t, theirs.do("DUMP", "k"))
		if len(v) <= 20 {
			require.Equal(t, b, a, "%q", v)
		}
		key := "restored" + strconv.Itoa(i)
		require.Equal(t, "+OK\r\n", ours.do("RESTORE", key, "0", b), "%.50q", v)
		require.Equal(t, "+OK\r\n", theirs.do("RESTORE", key, "0", a), "%.50q", v)
		require.True(t, v == payload(t, ours.do("GET", key)), "%.50q", v)
		require.True(t, v == payload(t, theirs.do("GET", key)), "%.50q", v)
		require.Equal(t, theirs.do("OBJECT", "ENCODING", key), ours.do("OBJECT", "ENCODING", key), "%.50q", v)
	}
}

// Whatever is wrong with a payload, it is as wrong for Redis.
func TestRestore_Malformed(t *testing.T) {
	theirs, ours := dial(t, "unix", startRedis(t)), start(t, Options{}).dial(t)
	random := rand.New(rand.NewPCG(7, 8))
	var bodies []string
	for _, v := range []string{"5", "500", "500000", "text", strings.Repeat("text", 30), strings.Repeat("x", 500), strings.Repeat("0123456789abcdef", 8)} {
		theirs.do("SET", "k", v)
		p := payload(t, theirs.do("DUMP", "k"))
		bodies = append(bodies, p[:len(p)-dumpFooter])
	}
	for i := range 4000 {
		body := []byte(bodies[random.IntN(len(bodies))])
		for range random.IntN(4) {
			switch at := random.IntN(len(body)); random.IntN(4) {
			case 0:
				body = body[:max(1, at)]
			case 1:
				body = append(body, byte(random.Uint32()))
			case 2:
				body[min(1+random.IntN(5), len(body)-1)] = byte(random.Uint32())
			default:
				body[at] = byte(random.Uint32())
			}
		}
		body[0] = rdbString // others may be right for Redis
		version := uint16(rdbVersion)
		if i%50 == 0 {
			version = uint16(random.IntN(14))
		}
		p := signed(body, version)
		if i%40 == 0 {
			p = p[:random.IntN(len(p))]
		}
		want := theirs.do("RESTORE", "k", "0", p, "REPLACE")
		require.Equal(t, want, ours.do("RESTORE", "k", "0", p, "REPLACE"), "%q", p)
		if want == "+OK\r\n" {
			require.Equal(t, theirs.do("GET", "k"), ours.do("GET", "k"), "%q", p)
		}
	}
	// A list is none of ours.
	theirs.do("RPUSH", "list", "a")
	require.Equal(t, "-ERR Bad data format\r\n", ours.do("RESTORE", "none", "0", payload(t, theirs.do("DUMP", "list"))))
}

// A small payload that promises much gets no memory for it.
func TestRestore_Bounded(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 8 << 20})
	c := s.dial(t)
	for _, body := range []string{
		"\x00\xc3\x05\x81\x00\x00\x00\x00\x20\x00\x00\x00\x00aaa\xe0\xff", "\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x80\x1f\xff\xff\xffa",
		"\x00\xc3\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
	} {
		require.Equal(t, "-ERR Bad data format\r\n", c.do("RESTORE", "k", "0", signed([]byte(body), rdbVersion)), "%q", body)
	}
	// One that does expand has no more than clients may hold.
	packed := "\x00x" + strings.Repeat("\xe0\xff\x00", 100_000)
	body := "\x00\xc3" + "\x80" + string(binary.BigEndian.AppendUint32(nil, uint32(len(packed)))) + "\x80" +
		string(binary.BigEndian.AppendUint32(nil, 1+264*100_000)) + packed
	require.Contains(t, c.exec([]string{"RESTORE", "k", "0", signed([]byte(body), rdbVersion)}), errReplyRoom)
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory-clients", "128mb"))
	require.Equal(t, "+OK\r\n", c.do("RESTORE", "k", "0", signed([]byte(body), rdbVersion)))
	require.Equal(t, ":26400001\r\n", c.do("STRLEN", "k"))
}

// A payload is refused or restored to what is dumped as it was, whatever it is.
func FuzzRestore(f *testing.F) {
	for _, body := range []string{"\x00\x05hello", "\x00\xc0\x0c", "\x00\xc1\x2c\x01", "\x00\xc2\xa0\x86\x01\x00", "\x00\xc3\x09\x40\x64\x01aa\xe0\x57\x00\x01aa", "\x00\x40\x41"} {
		f.Add([]byte(body))
	}
	s, err := New(Options{MaxClientMemory: 1 << 20, streams: true})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Shutdown(testContext(f))) })
	f.Fuzz(func(t *testing.T, body []byte) {
		c := newConn(s, s.lastID.Add(1))
		c.wire = &fuzzWire{}
		var copied scratch
		value, ok := c.restored([]byte(signed(body, rdbVersion)), &copied)
		if ok {
			again, ok := c.restored([]byte(signed(appendDump(nil, bytes.Clone(value)), rdbVersion)), new(scratch))
			require.True(t, ok)
			require.Equal(t, string(value), string(again))
		}
		c.restored(body, &copied)
		copied.release(c)
		c.out.release(c)
		require.Zero(t, s.replyBytes())
	})
}
