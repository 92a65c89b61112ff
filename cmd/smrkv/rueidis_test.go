//go:build linux && amd64 && !race

package main

// The client takes long to compile, and so is not for each build that is tested, nor fuzzed.

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
)

// Rueidis insists on RESP3 and on CLIENT TRACKING, and is content with what they are here.
func TestRueidis(t *testing.T) {
	client, _ := newRueidis(t)
	ctx := testContext(t)
	require.NoError(t, client.Do(ctx, client.B().Set().Key("k").Value("v").Build()).Error())
	got, err := client.Do(ctx, client.B().Get().Key("k").Build()).ToString()
	require.NoError(t, err)
	require.Equal(t, "v", got)
	require.True(t, rueidis.IsRedisNil(client.Do(ctx, client.B().Get().Key("none").Build()).Error()))

	list, err := client.Do(ctx, client.B().Mget().Key("k", "none").Build()).ToArray()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.True(t, list[1].IsNil())
	config, err := client.Do(ctx, client.B().ConfigGet().Parameter("maxmemory", "timeout").Build()).AsStrMap()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"maxmemory": "0", "timeout": "0"}, config)
	info, err := client.Do(ctx, client.B().Info().Section("server").Build()).ToString()
	require.NoError(t, err)
	require.Contains(t, info, "redis_version:7.0.")
	self, err := client.Do(ctx, client.B().ClientInfo().Build()).ToString()
	require.NoError(t, err)
	require.Contains(t, self, " resp=3 lib-name=rueidis ")

	for i, resp := range client.DoMulti(ctx, client.B().Incr().Key("n").Build(), client.B().Incr().Key("n").Build()) {
		n, err := resp.ToInt64()
		require.NoError(t, err)
		require.EqualValues(t, i+1, n)
	}
	require.NoError(t, client.Dedicated(func(c rueidis.DedicatedClient) error {
		require.NoError(t, c.Do(ctx, c.B().Watch().Key("k").Build()).Error())
		require.NoError(t, client.Do(ctx, client.B().Set().Key("k").Value("w").Build()).Error())
		replies := c.DoMulti(ctx, c.B().Multi().Build(), c.B().Set().Key("k").Value("x").Build(), c.B().Exec().Build())
		require.True(t, rueidis.IsRedisNil(replies[2].Error()))
		return nil
	}))
}

// What rueidis caches on its side is forgotten at once.
func TestRueidis_Cache(t *testing.T) {
	client, other := newRueidis(t)
	ctx := testContext(t)
	for _, value := range []string{"1", "2", "3"} {
		require.Equal(t, "+OK", ask(t, other, "SET k "+value))
		for range 2 {
			resp := client.DoCache(ctx, client.B().Get().Key("k").Cache(), time.Hour)
			got, err := resp.ToString()
			require.NoError(t, err)
			require.Equal(t, value, got)
			require.False(t, resp.IsCacheHit())
			// The key's connection is the same, and the invalidation comes before the reply.
			require.NoError(t, client.Do(ctx, client.B().Get().Key("k").Build()).Error())
		}
	}
	values, err := rueidis.MGetCache(client, ctx, time.Hour, []string{"k", "none"})
	require.NoError(t, err)
	value := values["k"]
	k, err := value.ToString()
	require.NoError(t, err)
	require.Equal(t, "3", k)
}

// newRueidis returns a client of a server, and the server's address.
func newRueidis(t *testing.T) (rueidis.Client, net.Addr) {
	addrs, _, stop := startCommand(t, "-addr", "127.0.0.1:0")
	t.Cleanup(func() { require.Zero(t, stop()) })
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addrs[0].String()}})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client, addrs[0]
}

func TestRueidis_Cluster(t *testing.T) {
	cl := startCluster(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: cl.addrs})
	require.NoError(t, err)
	defer client.Close()
	testClusterLoss(t, cl, clusterClient{
		func(ctx context.Context, key, value string) error {
			return client.Do(ctx, client.B().Set().Key(key).Value(value).Build()).Error()
		},
		func(ctx context.Context, key string) (string, bool, error) {
			value, err := client.Do(ctx, client.B().Get().Key(key).Build()).ToString()
			if rueidis.IsRedisNil(err) {
				return "", false, nil
			}
			return value, err == nil, err
		},
	})
}

// A subscriber of rueidis, whose other commands share its connection, receives what is published.
func TestRueidis_PubSub(t *testing.T) {
	client, _ := newRueidis(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	const n = 100
	received, next := make(chan error, 1), 0
	go func() {
		received <- client.Receive(ctx, client.B().Subscribe().Channel("channel").Build(), func(m rueidis.PubSubMessage) {
			if m.Channel == "channel" && m.Message == strconv.Itoa(next) {
				next++
			}
			if m.Message == strconv.Itoa(n-1) {
				cancel()
			}
		})
	}()
	for subscribers := int64(0); subscribers == 0; {
		require.NoError(t, ctx.Err())
		counts, err := client.Do(ctx, client.B().PubsubNumsub().Channel("channel").Build()).AsIntMap()
		require.NoError(t, err)
		subscribers = counts["channel"]
	}
	for i := range n {
		// The last one ends the subscription, perhaps before the reply is read.
		got, err := client.Do(testContext(t), client.B().Publish().Channel("channel").Message(strconv.Itoa(i)).Build()).AsInt64()
		require.NoError(t, err)
		require.EqualValues(t, 1, got)
	}
	require.ErrorIs(t, <-received, context.Canceled)
	require.Equal(t, n, next)
}
