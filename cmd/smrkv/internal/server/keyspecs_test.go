package server

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parse returns a reply of RESP2 as values; what is a set in RESP3 is sorted.
func parse(t *testing.T, reply string) any {
	t.Helper()
	v, err := parseReply(bufio.NewReader(strings.NewReader(reply)))
	require.NoError(t, err)
	return v
}

func parseReply(r *bufio.Reader) (any, error) {
	raw, err := readReply(r)
	if err != nil || raw[0] != '*' {
		return raw, err
	}
	_, raw, _ = strings.Cut(raw, "\r\n")
	in := bufio.NewReader(strings.NewReader(raw))
	list := []any{}
	for {
		if _, err := in.Peek(1); err != nil {
			return list, nil
		}
		v, err := parseReply(in)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

func sorted(list any) any {
	return slices.SortedFunc(slices.Values(list.([]any)), func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// COMMAND INFO tells of each command what that of Redis does: a client that routes by it sends the same to
// the same servers.
func TestCommandInfo_AsRedis(t *testing.T) {
	redisSocket := startRedis(t)
	s := start(t, Options{})
	ours, theirs := s.dial(t), dial(t, "unix", redisSocket)
	for _, cmd := range s.commands.list {
		info := func(c *client) []any { return parse(t, c.do("COMMAND", "INFO", cmd.name)).([]any)[0].([]any) }
		a, b := info(ours), info(theirs)
		for i, field := range []string{"name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specifications"} {
			switch field {
			case "flags", "categories", "tips":
				a[i], b[i] = sorted(a[i]), sorted(b[i])
			}
			require.Equal(t, b[i], a[i], "%s: %s", cmd.name, field)
		}
		of := make(map[any][]any)
		for _, sub := range b[9].([]any) {
			of[sub.([]any)[0]] = sub.([]any)
		}
		for _, sub := range a[9].([]any) {
			sub := sub.([]any)
			want := of[sub[0]]
			if name := sub[0].(string); want == nil {
				require.True(t, strings.Contains(name, "no-touch") || strings.Contains(name, "setinfo"), "%s: came with 7.2", name)
				continue
			}
			for _, i := range []int{2, 6} {
				want[i], sub[i] = sorted(want[i]), sorted(sub[i])
			}
			for _, i := range []int{1, 2, 3, 4, 5, 6, 8} {
				require.Equal(t, want[i], sub[i], sub[0])
			}
		}
	}
}
