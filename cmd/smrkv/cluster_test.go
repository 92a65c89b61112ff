package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/testport"
)

// A testCluster is three processes with a third of the slots each.
type testCluster struct {
	t       *testing.T
	file    string
	addrs   []string
	process []*exec.Cmd
}

func startCluster(t *testing.T) *testCluster {
	if testing.Short() {
		t.Skip("it takes three processes, and thousands of keys")
	}
	cl := &testCluster{t: t, file: filepath.Join(t.TempDir(), "slots.conf"), process: make([]*exec.Cmd, 3)}
	var text strings.Builder
	for i, slots := range []string{"0-5460", "5461-10922", "10923-16383"} {
		cl.addrs = append(cl.addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(testport.Quiet(t))))
		fmt.Fprintf(&text, "%040x %s@0 master - 0 0 %d connected %s\n", i+1, cl.addrs[i], i+1, slots)
	}
	require.NoError(t, os.WriteFile(cl.file, []byte(text.String()), 0o600))
	for i := range cl.process {
		cl.start(i)
	}
	return cl
}

func (cl *testCluster) start(i int) {
	cl.process[i], _, _ = startProcess(cl.t, "-addr", cl.addrs[i], "-cluster", cl.file)
}

// A clusterClient is what a client's library must do. Get reports false for a key that
// there is not.
type clusterClient struct {
	set func(ctx context.Context, key, value string) error
	get func(ctx context.Context, key string) (string, bool, error)
}

func TestCluster_GoRedis(t *testing.T) {
	cl := startCluster(t)
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cl.addrs})
	defer rdb.Close()
	testClusterLoss(t, cl, clusterClient{
		func(ctx context.Context, key, value string) error { return rdb.Set(ctx, key, value, 0).Err() },
		func(ctx context.Context, key string) (string, bool, error) {
			value, err := rdb.Get(ctx, key).Result()
			if err == redis.Nil {
				return "", false, nil
			}
			return value, err == nil, err
		},
	})
	ctx := testContext(t)
	require.ErrorContains(t, rdb.MGet(ctx, "a", "b").Err(), "CROSSSLOT")
	_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "{tag}a", 1, 0)
		p.Set(ctx, "{tag}b", 2, 0)
		return nil
	})
	require.NoError(t, err)
	values, err := rdb.MGet(ctx, "{tag}a", "{tag}b").Result()
	require.NoError(t, err)
	require.Equal(t, []any{"1", "2"}, values)
}

// testClusterLoss kills one of three nodes. What it had is lost, for there is no other copy;
// all else is there, and the client goes on. The times are for the reader.
//
// A library may give up early on a busy machine: what fails is tried again.
func testClusterLoss(t *testing.T, cl *testCluster, client clusterClient) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	const n, victim = 30_000, 1
	key := func(i int) string { return "key:" + strconv.Itoa(i) }
	each := func(keys []int, do func(i int)) {
		var wg sync.WaitGroup
		for from := range 50 {
			wg.Go(func() {
				for i := from; i < len(keys) && ctx.Err() == nil; i += 50 {
					do(keys[i])
				}
			})
		}
		wg.Wait()
	}
	var failures atomic.Int64
	again := func(try func() error) {
		for err := try(); err != nil; err = try() {
			failures.Add(1)
			if ctx.Err() != nil {
				t.Error(err)
				return
			}
		}
	}
	get := func(i int) (value string, ok bool) {
		again(func() (err error) {
			value, ok, err = client.get(ctx, key(i))
			return err
		})
		if ok && value != strconv.Itoa(i) {
			t.Errorf("get %s: %q", key(i), value)
		}
		return value, ok
	}
	node := redis.NewClient(&redis.Options{Addr: cl.addrs[0]})
	defer node.Close()
	slots, err := node.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range n {
			p.ClusterKeySlot(ctx, key(i))
		}
		return nil
	})
	require.NoError(t, err)
	var theirs, others, all []int
	for i := range n {
		slot := slots[i].(*redis.IntCmd).Val()
		if all = append(all, i); 5461 <= slot && slot <= 10922 {
			theirs = append(theirs, i)
		} else {
			others = append(others, i)
		}
	}
	each(all, func(i int) {
		again(func() error { return client.set(ctx, key(i), strconv.Itoa(i)) })
	})
	for i := range cl.addrs {
		t.Logf("node %d has %s keys", i, ask(t, cl.addr(i), "DBSIZE")[1:])
	}

	require.NoError(t, cl.process[victim].Process.Kill())
	killed := time.Now()
	get(others[0])
	t.Logf("the client answers for another node's key after %v", time.Since(killed))
	each(others, func(i int) {
		if _, ok := get(i); !ok {
			t.Errorf("%s is lost", key(i))
		}
	})
	t.Logf("all %d keys of other nodes have been read after %v", len(others), time.Since(killed))
	began := time.Now()
	some, cancel := context.WithTimeout(ctx, 3*time.Second) // rueidis tries again until then
	defer cancel()
	_, ok, err := client.get(some, key(theirs[0]))
	require.Error(t, err)
	require.False(t, ok)
	t.Logf("a key of the killed node fails after %v: %v", time.Since(began), err)

	cl.start(victim)
	started := time.Now()
	get(theirs[0])
	t.Logf("the client answers for the node %v after it was started again", time.Since(started))
	var lost atomic.Int64
	each(all, func(i int) {
		if _, ok := get(i); !ok {
			lost.Add(1)
		}
	})
	t.Logf("%d of %d keys are lost; %d tries failed", lost.Load(), n, failures.Load())
	require.EqualValues(t, len(theirs), lost.Load())
}

func (cl *testCluster) addr(i int) net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", cl.addrs[i])
	require.NoError(cl.t, err)
	return addr
}
