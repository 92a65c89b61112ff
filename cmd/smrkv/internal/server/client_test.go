//lint:file-ignore SA1019 commands that the client has deprecated are still commands

package server

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// A client that others use finds what it expects of each command.
func TestGoRedis(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts func(*testServer) *redis.Options
	}{
		{"tcp", func(s *testServer) *redis.Options { return &redis.Options{Addr: s.tcp} }},
		{"unix", func(s *testServer) *redis.Options { return &redis.Options{Network: "unix", Addr: s.unix} }},
		{"streams", func(s *testServer) *redis.Options { return &redis.Options{Addr: s.tcp} }},
		{"password", func(s *testServer) *redis.Options {
			s.settings.setPassword("secret")
			return &redis.Options{Addr: s.tcp, Password: "secret", ClientName: "tester", Protocol: 2}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if testing.Short() && raceEnabled && tc.name != "tcp" && tc.name != "streams" {
				t.Skip("the race detector has seen this code by tcp")
			}
			s := start(t, Options{streams: tc.name == "streams"})
			rdb := redis.NewClient(tc.opts(s))
			defer rdb.Close()
			for _, test := range goRedisTests {
				t.Run(test.name, func(t *testing.T) {
					require.NoError(t, rdb.FlushAll(testContext(t)).Err())
					test.run(t, rdb)
				})
			}
		})
	}
}

var goRedisTests = []struct {
	name string
	run  func(*testing.T, *redis.Client)
}{
	{"connection", testGoRedisConnection},
	{"strings", testGoRedisStrings},
	{"set options", testGoRedisSet},
	{"numbers", testGoRedisNumbers},
	{"keys", testGoRedisKeys},
	{"expiry", testGoRedisExpiry},
	{"scan", testGoRedisScan},
	{"server", testGoRedisServer},
	{"pipeline", testGoRedisPipeline},
	{"transactions", testGoRedisTransactions},
	{"two keys", testGoRedisTwoKeys},
	{"publish and subscribe", testGoRedisPubSub},
}

// is returns a check that a result is want, without an error.
func is[T any](t *testing.T) func(want, got T, err error) {
	return func(want, got T, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func testGoRedisConnection(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	text, number := is[string](t), is[int64](t)
	got, err := rdb.Ping(ctx).Result()
	text("PONG", got, err)
	got, err = rdb.Echo(ctx, "hello\r\n").Result()
	text("hello\r\n", got, err)

	c := rdb.Conn()
	defer c.Close()
	id, err := c.ClientID(ctx).Result()
	require.NoError(t, err)
	require.Positive(t, id)
	require.NoError(t, c.ClientSetName(ctx, "worker").Err())
	got, err = c.ClientGetName(ctx).Result()
	text("worker", got, err)
	info, err := c.ClientInfo(ctx).Result()
	require.NoError(t, err)
	require.Equal(t, id, info.ID)
	require.Equal(t, "worker", info.Name)
	require.Equal(t, rdb.Options().Protocol, info.Resp)
	require.Equal(t, "go-redis", info.LibName[:8])
	list, err := c.ClientList(ctx).Result()
	require.NoError(t, err)
	require.Contains(t, list, "name=worker")
	require.NoError(t, c.Select(ctx, 0).Err())
	require.EqualError(t, c.Select(ctx, 16).Err(), "ERR DB index is out of range")
	hello, err := c.Hello(ctx, 2, "", "", "").Result()
	require.NoError(t, err)
	require.EqualValues(t, "redis", hello["server"])
	require.EqualValues(t, 2, hello["proto"])
	require.ErrorIs(t, c.Get(ctx, "none").Err(), redis.Nil)
	hello, err = c.Hello(ctx, 3, "", "", "").Result()
	require.NoError(t, err)
	require.EqualValues(t, 3, hello["proto"])
	require.ErrorIs(t, c.Get(ctx, "none").Err(), redis.Nil)
	require.ErrorContains(t, c.Hello(ctx, 4, "", "", "").Err(), "NOPROTO")
	require.ErrorContains(t, c.AuthACL(ctx, "nobody", "").Err(), "WRONGPASS")
	n, err := rdb.ClientKillByFilter(ctx, "ID", strconv.FormatInt(id, 10)).Result()
	number(1, n, err)
	require.Error(t, c.Get(ctx, "x").Err(), "killed")
}

func testGoRedisStrings(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	text, number, truth := is[string](t), is[int64](t), is[bool](t)
	require.ErrorIs(t, rdb.Get(ctx, "k").Err(), redis.Nil)
	got, err := rdb.Set(ctx, "k", "binary \x00\xff\r\n", 0).Result()
	text("OK", got, err)
	got, err = rdb.Get(ctx, "k").Result()
	text("binary \x00\xff\r\n", got, err)
	n, err := rdb.StrLen(ctx, "k").Result()
	number(11, n, err)
	n, err = rdb.Append(ctx, "k", "more").Result()
	number(15, n, err)
	got, err = rdb.GetRange(ctx, "k", -4, -1).Result()
	text("more", got, err)
	n, err = rdb.SetRange(ctx, "k", 11, "less").Result()
	number(15, n, err)
	ok, err := rdb.SetNX(ctx, "k", "other", 0).Result()
	truth(false, ok, err)
	got, err = rdb.GetSet(ctx, "k", "new").Result()
	text("binary \x00\xff\r\nless", got, err)
	got, err = rdb.GetDel(ctx, "k").Result()
	text("new", got, err)
	require.ErrorIs(t, rdb.GetDel(ctx, "k").Err(), redis.Nil)
	require.ErrorIs(t, rdb.GetSet(ctx, "k", "v").Err(), redis.Nil)
	got, err = rdb.MSet(ctx, "a", "1", "b", "2").Result()
	text("OK", got, err)
	values, err := rdb.MGet(ctx, "a", "none", "b").Result()
	is[[]any](t)([]any{"1", nil, "2"}, values, err)

	large := string(make([]byte, 3<<20)) + "end"
	require.NoError(t, rdb.Set(ctx, "large", large, 0).Err())
	got, err = rdb.Get(ctx, "large").Result()
	require.NoError(t, err)
	require.True(t, large == got)
	n, err = rdb.Append(ctx, "large", large).Result()
	number(int64(2*len(large)), n, err)
	n, err = rdb.SetRange(ctx, "large", int64(len(large)), strings.ToUpper(large)).Result()
	number(int64(2*len(large)), n, err)
	got, err = rdb.GetSet(ctx, "large", "small").Result()
	require.NoError(t, err)
	require.True(t, large+strings.ToUpper(large) == got)
}

func testGoRedisSet(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	text, truth := is[string](t), is[bool](t)
	ok, err := rdb.SetNX(ctx, "k", "v", time.Hour).Result()
	truth(true, ok, err)
	ok, err = rdb.SetXX(ctx, "none", "v", 0).Result()
	truth(false, ok, err)
	ok, err = rdb.SetXX(ctx, "k", "w", redis.KeepTTL).Result()
	truth(true, ok, err)
	ttl, err := rdb.TTL(ctx, "k").Result()
	require.NoError(t, err)
	require.Greater(t, ttl, 59*time.Minute)
	got, err := rdb.SetArgs(ctx, "k", "x", redis.SetArgs{Get: true}).Result()
	text("w", got, err)
	ttl, err = rdb.TTL(ctx, "k").Result()
	is[time.Duration](t)(-1, ttl, err)
	require.ErrorIs(t, rdb.SetArgs(ctx, "k", "y", redis.SetArgs{Mode: "NX"}).Err(), redis.Nil)
	got, err = rdb.SetArgs(ctx, "k", "y", redis.SetArgs{Mode: "XX", Get: true, ExpireAt: time.Now().Add(time.Hour)}).Result()
	text("x", got, err)
	require.NoError(t, rdb.SetEx(ctx, "k", "z", time.Minute).Err())
	got, err = rdb.GetEx(ctx, "k", 0).Result() // PERSIST
	text("z", got, err)
	ttl, err = rdb.TTL(ctx, "k").Result()
	is[time.Duration](t)(-1, ttl, err)
	require.NoError(t, rdb.GetEx(ctx, "k", 1500*time.Millisecond).Err())
	ttl, err = rdb.PTTL(ctx, "k").Result()
	require.NoError(t, err)
	require.Positive(t, ttl)
}

func testGoRedisNumbers(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	number := is[int64](t)
	n, err := rdb.Incr(ctx, "n").Result()
	number(1, n, err)
	n, err = rdb.IncrBy(ctx, "n", 41).Result()
	number(42, n, err)
	n, err = rdb.Decr(ctx, "n").Result()
	number(41, n, err)
	n, err = rdb.DecrBy(ctx, "n", 50).Result()
	number(-9, n, err)
	require.NoError(t, rdb.Set(ctx, "n", "9223372036854775807", 0).Err())
	require.EqualError(t, rdb.Incr(ctx, "n").Err(), "ERR increment or decrement would overflow")
	require.NoError(t, rdb.Set(ctx, "n", "1.5", 0).Err())
	require.EqualError(t, rdb.Incr(ctx, "n").Err(), "ERR value is not an integer or out of range")
	f, err := rdb.IncrByFloat(ctx, "n", -0.25).Result()
	is[float64](t)(1.25, f, err)
}

func testGoRedisKeys(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	number := is[int64](t)
	require.NoError(t, rdb.MSet(ctx, "a", 1, "b", 2, "c", 3, "d", 4).Err())
	n, err := rdb.Exists(ctx, "a", "a", "b", "none").Result()
	number(3, n, err)
	n, err = rdb.Touch(ctx, "a", "none").Result()
	number(1, n, err)
	n, err = rdb.Del(ctx, "a", "a", "none").Result()
	number(1, n, err)
	n, err = rdb.Unlink(ctx, "b").Result()
	number(1, n, err)
	got, err := rdb.Type(ctx, "c").Result()
	is[string](t)("string", got, err)
	got, err = rdb.Type(ctx, "a").Result()
	is[string](t)("none", got, err)
	n, err = rdb.DBSize(ctx).Result()
	number(2, n, err)
	keys, err := rdb.Keys(ctx, "*").Result()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"c", "d"}, keys)
	got, err = rdb.RandomKey(ctx).Result()
	require.NoError(t, err)
	require.Contains(t, keys, got)
	require.NoError(t, rdb.FlushDB(ctx).Err())
	require.ErrorIs(t, rdb.RandomKey(ctx).Err(), redis.Nil)
	n, err = rdb.DBSize(ctx).Result()
	number(0, n, err)
}

func testGoRedisExpiry(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	truth, duration := is[bool](t), is[time.Duration](t)
	require.NoError(t, rdb.Set(ctx, "k", "v", 0).Err())
	ttl, err := rdb.TTL(ctx, "k").Result()
	duration(-1, ttl, err)
	ttl, err = rdb.TTL(ctx, "none").Result()
	duration(-2, ttl, err)
	ok, err := rdb.ExpireXX(ctx, "k", time.Hour).Result()
	truth(false, ok, err)
	ok, err = rdb.ExpireNX(ctx, "k", time.Hour).Result()
	truth(true, ok, err)
	ok, err = rdb.ExpireGT(ctx, "k", time.Minute).Result()
	truth(false, ok, err)
	ok, err = rdb.ExpireLT(ctx, "k", time.Minute).Result()
	truth(true, ok, err)
	ok, err = rdb.PExpire(ctx, "k", 90*time.Second).Result()
	truth(true, ok, err)
	ttl, err = rdb.TTL(ctx, "k").Result()
	duration(90*time.Second, ttl, err)
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	ok, err = rdb.ExpireAt(ctx, "k", at).Result()
	truth(true, ok, err)
	since, err := rdb.ExpireTime(ctx, "k").Result()
	duration(time.Duration(at.Unix())*time.Second, since, err)
	ok, err = rdb.PExpireAt(ctx, "k", at.Add(time.Millisecond)).Result()
	truth(true, ok, err)
	since, err = rdb.PExpireTime(ctx, "k").Result()
	duration(time.Duration(at.UnixMilli()+1)*time.Millisecond, since, err)
	ok, err = rdb.Persist(ctx, "k").Result()
	truth(true, ok, err)
	ok, err = rdb.Persist(ctx, "k").Result()
	truth(false, ok, err)
	ok, err = rdb.Expire(ctx, "k", -time.Second).Result() // deletes it
	truth(true, ok, err)
	require.ErrorIs(t, rdb.Get(ctx, "k").Err(), redis.Nil)
}

func testGoRedisScan(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	var want []string
	for i := range 3000 {
		key := "key:" + strconv.Itoa(i)
		want = append(want, key)
		require.NoError(t, rdb.Set(ctx, key, i, 0).Err())
	}
	slices.Sort(want)
	for _, count := range []int64{0, 1, 1000, 1 << 40} {
		var got []string
		it := rdb.Scan(ctx, 0, "", count).Iterator()
		for it.Next(ctx) {
			got = append(got, it.Val())
		}
		require.NoError(t, it.Err())
		slices.Sort(got)
		require.Equal(t, want, got)
	}
	var got []string
	it := rdb.ScanType(ctx, 0, "key:1[12]?", 100, "string").Iterator()
	for it.Next(ctx) {
		got = append(got, it.Val())
	}
	require.NoError(t, it.Err())
	require.Len(t, got, 20)
	it = rdb.ScanType(ctx, 0, "*", 5000, "list").Iterator()
	require.False(t, it.Next(ctx))
}

func testGoRedisServer(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	require.NoError(t, rdb.Set(ctx, "k", "v", 0).Err())
	for section, want := range map[string]string{
		"server": "redis_version:", "clients": "connected_clients:", "memory": "maxmemory_policy:noeviction",
		"stats": "keyspace_hits:", "smr": "smr_sections_open:", "keyspace": "db0:keys=1,expires=0", "commandstats": "cmdstat_set:calls=",
	} {
		info, err := rdb.Info(ctx, section).Result()
		require.NoError(t, err)
		require.Contains(t, info, want)
	}
	got, err := rdb.ConfigGet(ctx, "max*").Result()
	require.NoError(t, err)
	require.Equal(t, "noeviction", got["maxmemory-policy"])
	require.Equal(t, "10000", got["maxclients"])
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory", "1gb").Err())
	got, err = rdb.ConfigGet(ctx, "maxmemory").Result()
	require.NoError(t, err)
	require.Equal(t, "1073741824", got["maxmemory"])
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory", "0").Err())
	require.NoError(t, rdb.ConfigResetStat(ctx).Err())
	info, err := rdb.Info(ctx, "stats").Result()
	require.NoError(t, err)
	require.Contains(t, info, "keyspace_hits:0\r\n")
	now, err := rdb.Time(ctx).Result()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), now, time.Minute)
	commands, err := rdb.Command(ctx).Result()
	require.NoError(t, err)
	require.EqualValues(t, -3, commands["set"].Arity)
	list, err := rdb.CommandList(ctx, nil).Result()
	require.NoError(t, err)
	require.Len(t, list, len(commands))
}

func testGoRedisPipeline(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	p := rdb.Pipeline()
	var incrs []*redis.IntCmd
	for range 5000 {
		incrs = append(incrs, p.Incr(ctx, "n"))
	}
	_, err := p.Exec(ctx)
	require.NoError(t, err)
	for i, cmd := range incrs {
		require.EqualValues(t, i+1, cmd.Val())
	}
}

func testGoRedisTransactions(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	var n *redis.IntCmd
	var get *redis.StringCmd
	_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "k", "v", time.Hour)
		n = p.Incr(ctx, "n")
		get = p.Get(ctx, "k")
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 1, n.Val())
	require.Equal(t, "v", get.Val())

	// An error of one command is its own, and the rest is done.
	cmds, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, "k")
		p.Incr(ctx, "n")
		return nil
	})
	require.ErrorContains(t, err, "not an integer")
	require.NoError(t, cmds[1].Err())
	_, err = rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, "n")
		p.Do(ctx, "nonsense")
		return nil
	})
	require.ErrorContains(t, err, "EXECABORT")
	got, err := rdb.Get(ctx, "n").Int()
	is[int](t)(2, got, err)

	// The loop of go-redis's own documentation: nothing is lost.
	const clients, each = 8, 50
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				for {
					err := rdb.Watch(ctx, func(tx *redis.Tx) error {
						n, err := tx.Get(ctx, "count").Int()
						if err != nil && err != redis.Nil {
							return err
						}
						_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
							p.Set(ctx, "count", n+1, 0)
							return nil
						})
						return err
					}, "count")
					if err == nil {
						break
					}
					if err != redis.TxFailedErr {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	got, err = rdb.Get(ctx, "count").Int()
	is[int](t)(clients*each, got, err)
}

func testGoRedisTwoKeys(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	yes := is[bool](t)
	ok, err := rdb.MSetNX(ctx, "a", 1, "b", 2).Result()
	yes(true, ok, err)
	ok, err = rdb.MSetNX(ctx, "b", 1, "c", 2).Result()
	yes(false, ok, err)
	got, err := rdb.Rename(ctx, "a", "c").Result()
	is[string](t)("OK", got, err)
	ok, err = rdb.RenameNX(ctx, "b", "c").Result()
	yes(false, ok, err)
	n, err := rdb.Copy(ctx, "c", "d", 0, false).Result()
	is[int64](t)(1, n, err)
	n, err = rdb.Exists(ctx, "a", "b", "c", "d").Result()
	is[int64](t)(3, n, err)
}
