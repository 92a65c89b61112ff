package server

import (
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func testGoRedisPubSub(t *testing.T, rdb *redis.Client) {
	ctx := testContext(t)
	sub := rdb.Subscribe(ctx, "a", "b")
	defer sub.Close()
	receive := func() any {
		t.Helper()
		m, err := sub.Receive(ctx)
		require.NoError(t, err)
		return m
	}
	require.Equal(t, &redis.Subscription{Kind: "subscribe", Channel: "a", Count: 1}, receive())
	require.Equal(t, &redis.Subscription{Kind: "subscribe", Channel: "b", Count: 2}, receive())
	require.NoError(t, sub.PSubscribe(ctx, "n*"))
	require.Equal(t, &redis.Subscription{Kind: "psubscribe", Channel: "n*", Count: 3}, receive())
	require.NoError(t, sub.SSubscribe(ctx, "shard"))
	require.Equal(t, &redis.Subscription{Kind: "ssubscribe", Channel: "shard", Count: 1}, receive())
	for channel, message := range map[string]*redis.Message{
		"a":    {Channel: "a", Payload: "hello"},
		"b":    {Channel: "b", Payload: "hello"},
		"news": {Channel: "news", Pattern: "n*", Payload: "hello"},
	} {
		n, err := rdb.Publish(ctx, channel, "hello").Result()
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, message, receive())
	}
	require.EqualValues(t, 1, rdb.SPublish(ctx, "shard", "hello").Val())
	require.Equal(t, &redis.Message{Channel: "shard", Payload: "hello"}, receive())
	require.ElementsMatch(t, []string{"a", "b"}, rdb.PubSubChannels(ctx, "*").Val())
	require.Equal(t, map[string]int64{"a": 1, "none": 0}, rdb.PubSubNumSub(ctx, "a", "none").Val())
	require.EqualValues(t, 1, rdb.PubSubNumPat(ctx).Val())
	require.Equal(t, []string{"shard"}, rdb.PubSubShardChannels(ctx, "s*").Val())
	require.NoError(t, sub.Ping(ctx, "there?"))
	require.Equal(t, &redis.Pong{Payload: "there?"}, receive())

	// Messages of a transaction arrive together.
	_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 10 {
			p.Publish(ctx, "a", i)
		}
		return nil
	})
	require.NoError(t, err)
	for i := range 10 {
		require.Equal(t, strconv.Itoa(i), receive().(*redis.Message).Payload)
	}
	require.NoError(t, sub.Unsubscribe(ctx, "a"))
	require.Equal(t, &redis.Subscription{Kind: "unsubscribe", Channel: "a", Count: 2}, receive())
	require.Zero(t, rdb.Publish(ctx, "a", "nobody").Val())
}
