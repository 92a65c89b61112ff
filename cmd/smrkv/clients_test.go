package main

import (
	"crypto/tls"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/testcert"
)

// Redigo is served plain and by TLS.
func TestRedigo(t *testing.T) {
	a := testcert.New(t)
	_, cert, key := a.Write(t.TempDir())
	addrs, _, stop := startCommand(t, "-addr", "127.0.0.1:0", "-tls-port", "0", "-tls-cert", cert, "-tls-key", key, "-requirepass", "secret")
	defer func() { require.Zero(t, stop()) }()
	for i, options := range [][]redis.DialOption{{}, {redis.DialUseTLS(true), redis.DialTLSConfig(&tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1"})}} {
		pool := &redis.Pool{MaxIdle: 3, Dial: func() (redis.Conn, error) {
			return redis.Dial("tcp", addrs[i].String(), append(options, redis.DialPassword("secret"), redis.DialDatabase(0), redis.DialClientName("redigo"))...)
		}}
		testRedigo(t, pool.Get(), pool.Get())
		require.NoError(t, pool.Close())
	}
}

func testRedigo(t *testing.T, c, other redis.Conn) {
	defer c.Close()
	defer other.Close()
	do := func(name string, args ...any) any {
		t.Helper()
		reply, err := c.Do(name, args...)
		require.NoError(t, err)
		return reply
	}
	require.Equal(t, "OK", do("SET", "k", "v", "EX", 60))
	got, err := redis.String(c.Do("GET", "k"))
	require.NoError(t, err)
	require.Equal(t, "v", got)
	_, err = redis.String(c.Do("GET", "none"))
	require.ErrorIs(t, err, redis.ErrNil)
	name, err := redis.String(c.Do("CLIENT", "GETNAME"))
	require.NoError(t, err)
	require.Equal(t, "redigo", name)

	require.NoError(t, c.Send("MULTI"))
	require.NoError(t, c.Send("SET", "n", 41))
	require.NoError(t, c.Send("INCR", "n"))
	values, err := redis.Values(c.Do("EXEC"))
	require.NoError(t, err)
	require.Equal(t, []any{"OK", int64(42)}, values)

	do("WATCH", "n")
	_, err = other.Do("INCR", "n")
	require.NoError(t, err)
	do("MULTI")
	do("SET", "n", 1)
	require.Nil(t, do("EXEC"))

	for range 1000 {
		require.NoError(t, c.Send("INCR", "many"))
	}
	require.NoError(t, c.Flush())
	for i := range 1000 {
		n, err := redis.Int(c.Receive())
		require.NoError(t, err)
		require.Equal(t, i+1, n)
	}
	values, err = redis.Values(c.Do("SCAN", 0, "COUNT", 100))
	require.NoError(t, err)
	require.Len(t, values[1], 3)
	do("FLUSHALL")
}

// A Ring of go-redis spreads keys over servers, and does without one that is gone.
func TestRing(t *testing.T) {
	shards := make(map[string]string)
	stops := make(map[string]func() int)
	for _, name := range []string{"a", "b", "c"} {
		addrs, _, stop := startCommand(t, "-addr", "127.0.0.1:0")
		shards[name], stops[name] = addrs[0].String(), stop
	}
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: shards})
	defer ring.Close()
	ctx := testContext(t)
	const n = 3000
	_, err := ring.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i := range n {
			p.Set(ctx, "key:"+strconv.Itoa(i), i, time.Hour)
		}
		return nil
	})
	require.NoError(t, err)
	one := goredis.NewClient(&goredis.Options{Addr: shards["b"]})
	had, err := one.DBSize(ctx).Result()
	require.NoError(t, err)
	require.NoError(t, one.Close())
	require.Greater(t, had, int64(n/10))

	require.Zero(t, stops["b"]())
	lost := int64(0)
	for i := range n {
		value, err := ring.Get(ctx, "key:"+strconv.Itoa(i)).Int()
		for err != nil && !errors.Is(err, goredis.Nil) { // it has yet to notice
			require.NoError(t, ctx.Err(), err)
			value, err = ring.Get(ctx, "key:"+strconv.Itoa(i)).Int()
		}
		if err != nil {
			lost++
		} else {
			require.Equal(t, i, value)
		}
	}
	t.Logf("%d of %d keys are lost", lost, n)
	require.GreaterOrEqual(t, lost, had) // more, if the ring took another to be gone for a while
	require.Zero(t, stops["a"]())
	require.Zero(t, stops["c"]())
}
