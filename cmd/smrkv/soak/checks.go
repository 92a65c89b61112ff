package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// A tally counts what the clients have done, and what was wrong with it. Any goroutine adds to it.
type tally struct {
	ops, oom, failed, slowest                         atomic.Int64
	transfers, raced, sums, published, received, cuts atomic.Int64
	deadlines, expired, broken, invalidations         atomic.Int64
	versions                                          sync.Map // that transactions have stored
}

// wrong says what the server may not do.
func (t *tally) wrong(format string, args ...any) {
	if t.failed.Add(1) < 100 {
		fmt.Fprintf(os.Stderr, "soak: "+format+"\n", args...)
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("%d transfers between accounts, %d of them raced; %d sums read\n"+
		"%d messages published, %d received; %d that read were cut off\n"+
		"%d keys set with a deadline, %d of them seen expired\n"+
		"%d connections ended midway; %d invalidations read",
		t.transfers.Load(), t.raced.Load(), t.sums.Load(), t.published.Load(), t.received.Load(), t.cuts.Load(),
		t.deadlines.Load(), t.expired.Load(), t.broken.Load(), t.invalidations.Load())
}

// ending says whether what fails does so because ctx ends: connections may know before it does.
func ending(ctx context.Context) bool {
	end, _ := ctx.Deadline()
	return !time.Now().Before(end)
}

// lost says whether err came of the soak's end, or of memory that there was not.
func lost(ctx context.Context, err error) bool {
	return ending(ctx) || strings.Contains(err.Error(), "OOM")
}

const (
	pairs  = 4
	funded = 50_000 // and no transfer makes it longer or shorter than five digits
)

// transfer moves money between the two accounts of a pair in transactions, and reads them with
// one MGET: they have what they had together, unless one was evicted, which WATCH sees. Each
// transaction stores the version after the one that it has read; no two store the same.
func transfer(ctx context.Context, db *redis.Client, seed uint64, t *tally) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	for !ending(ctx) {
		p := strconv.Itoa(rnd.IntN(pairs))
		a, b, v := "a:"+p, "b:"+p, "version:"+p
		var stored string
		err := db.Watch(ctx, func(tx *redis.Tx) error {
			has, err := readPair(ctx, tx, p, t)
			if err != nil {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
				if has == nil {
					stored = fmt.Sprintf("%d.1", rnd.Uint64())
					return p.MSet(ctx, a, funded, b, funded, v, stored).Err()
				}
				n := rnd.Int64N(100)
				if has.a-n < 10_000 {
					n = -n
				}
				stored = fmt.Sprintf("%d.%d", has.life, has.version+1)
				p.Set(ctx, v, stored, 0)
				p.IncrBy(ctx, a, -n)
				for range 20 { // time for others, if there were others
					p.Get(ctx, b)
				}
				p.IncrBy(ctx, b, n)
				return nil
			})
			return err
		}, a, b, v)
		switch {
		case err == nil:
			t.transfers.Add(1)
			if _, twice := t.versions.LoadOrStore(stored, true); twice {
				t.wrong("two transactions have stored version %s of pair %s", stored, p)
			}
		case errors.Is(err, redis.TxFailedErr):
			t.raced.Add(1)
		case !lost(ctx, err):
			t.wrong("transfer: %v", err)
		}
		if err := readPairs(ctx, db, t); err != nil && !lost(ctx, err) {
			t.wrong("sum: %v", err)
		}
	}
}

// A pair is what is stored of two accounts. Its life is since they were made, by one transaction.
type pair struct {
	a, b          int64
	life, version uint64
}

// readPairs reads all pairs many times, each time at once.
func readPairs(ctx context.Context, db *redis.Client, t *tally) error {
	reads := db.Pipeline()
	for i := range 64 {
		mgetPair(ctx, reads, strconv.Itoa(i%pairs))
	}
	cmds, err := reads.Exec(ctx)
	for i, c := range cmds {
		if _, wrong := parsePair(strconv.Itoa(i%pairs), c.(*redis.SliceCmd), t); err == nil {
			err = wrong
		}
	}
	return err
}

func readPair(ctx context.Context, db redis.Cmdable, p string, t *tally) (*pair, error) {
	return parsePair(p, mgetPair(ctx, db, p), t)
}

func mgetPair(ctx context.Context, db redis.Cmdable, p string) *redis.SliceCmd {
	return db.MGet(ctx, "a:"+p, "b:"+p, "version:"+p)
}

// parsePair returns nil if a part of the pair is not there.
func parsePair(p string, c *redis.SliceCmd, t *tally) (*pair, error) {
	values, err := c.Result()
	if err != nil || slices.Contains(values, nil) {
		return nil, err
	}
	var has pair
	if _, err := fmt.Sscanf(fmt.Sprintln(values...), "%d %d %d.%d", &has.a, &has.b, &has.life, &has.version); err != nil {
		return nil, fmt.Errorf("pair %s is %q: %w", p, values, err)
	}
	if t.sums.Add(1); has.a+has.b != 2*funded {
		t.wrong("pair %s has %d and %d, which is not %d", p, has.a, has.b, 2*funded)
	}
	return &has, nil
}

// expire sets keys whose value is the time until which they are, and reads them later. The clock
// is the server's, too; 2 ms are for its ticks.
func expire(ctx context.Context, db *redis.Client, seed uint64, t *tally) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	for !ending(ctx) {
		key := "until:" + strconv.Itoa(rnd.IntN(10_000))
		now := time.Now()
		until, err := db.Get(ctx, key).Int64()
		switch {
		case err == nil && until+2 < now.UnixMilli():
			t.wrong("%s is there %d ms after its end", key, now.UnixMilli()-until)
		case err == redis.Nil:
			t.expired.Add(1)
			end := now.Add(time.Duration(1+rnd.IntN(5000)) * time.Millisecond)
			err = db.SetArgs(ctx, key, end.UnixMilli(), redis.SetArgs{ExpireAt: end}).Err()
			t.deadlines.Add(1)
		}
		if err != nil && !lost(ctx, err) {
			t.wrong("expire: %v", err)
		}
	}
}

const channels = 4

// publish sends the numbers from 1 on to a channel that nobody else publishes to; one message in
// a thousand is large.
func publish(ctx context.Context, db *redis.Client, channel int, t *tally) {
	large := strings.Repeat(" ", 64<<10)
	for n := 1; !ending(ctx); {
		p := db.Pipeline()
		if n%16 == 0 {
			p = db.TxPipeline()
		}
		for range 8 {
			message := strconv.Itoa(n)
			if n%1000 == 0 {
				message += large
			}
			p.Publish(ctx, "channel:"+strconv.Itoa(channel), message)
			n++
		}
		if _, err := p.Exec(ctx); err != nil && !ending(ctx) {
			t.wrong("publish: %v", err) // the numbers would have a gap
			return
		}
		t.published.Add(8)
	}
}

// subscribe receives from all channels, and expects each number after the one before it, once. A
// subscriber that was too slow is disconnected, and begins anew.
func subscribe(ctx context.Context, db *redis.Client, pattern bool, t *tally) {
	for !ending(ctx) {
		var ps *redis.PubSub
		if pattern {
			ps = db.PSubscribe(ctx, "channel:*")
		} else {
			names := make([]string, channels)
			for c := range names {
				names[c] = "channel:" + strconv.Itoa(c)
			}
			ps = db.Subscribe(ctx, names...)
		}
		last := map[string]int{}
		for {
			m, err := ps.Receive(ctx)
			if err != nil {
				break
			}
			message, ok := m.(*redis.Message)
			if !ok {
				continue
			}
			n, err := strconv.Atoi(strings.TrimRight(message.Payload, " "))
			before, known := last[message.Channel]
			if err != nil || known && n != before+1 {
				t.wrong("%s: after %d comes %.20q", message.Channel, before, message.Payload)
			}
			last[message.Channel] = n
			t.received.Add(1)
		}
		ps.Close()
		if !ending(ctx) {
			t.cuts.Add(1)
		}
	}
}

// midway has what a client has sent when it dies.
var midway = []string{
	"MONITOR\r\n",
	"HELLO 3\r\nCLIENT TRACKING ON\r\n" + strings.Repeat("GET count:1\r\nGET a:1\r\n", 20),
	"*3\r\n$3\r\nSET\r\n$10\r\nunfinished\r\n$8000000\r\n" + strings.Repeat("x", 3_000_000),
	"MULTI\r\nSET unfinished 1\r\nINCR count:1\r\n",
	"WATCH a:1 b:1\r\nMULTI\r\nDEL a:1\r\n",
	"PSUBSCRIBE channel:*\r\n",
	"SUBSCRIBE channel:0\r\n",
	"HELLO 3\r\nCLIENT REPLY OFF\r\nSUBSCRIBE channel:1\r\n" + strings.Repeat("GET large\r\n", 100),
	"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$1000000\r\n" + strings.Repeat("x", 1_000_000) + "\r\n" + strings.Repeat("GET large\r\n", 100),
	"*2\r\n$3\r\nGET\r\n$8\r\nunfi",
	"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}

// die connects, sends what is unfinished or more than it reads, reads for a while or not at all,
// and is gone. Three in four read what comes; the others are slow enough to be cut off.
func die(ctx context.Context, dial func() (net.Conn, error), seed uint64, t *tally) {
	rnd := rand.New(rand.NewPCG(seed, 4))
	for !ending(ctx) {
		c, err := dial()
		if err != nil {
			if !ending(ctx) {
				t.wrong("dial: %v", err)
			}
			return
		}
		c.SetDeadline(time.Now().Add(time.Duration(rnd.IntN(3000)) * time.Millisecond))
		text := midway[rnd.IntN(len(midway))]
		io.WriteString(c, text) // the server may end the connection at any time
		if rnd.IntN(4) > 0 {
			var seen counter
			io.Copy(&seen, c)
			t.invalidations.Add(seen.invalidations)
		} else {
			time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		} else if tc, ok := c.(*tls.Conn); ok {
			tc.NetConn().(*net.TCPConn).SetLinger(0)
			tc.NetConn().Close()
		}
		c.Close()
		t.broken.Add(1)
	}
}

// A counter counts the invalidations in what is written to it, but for those cut in two.
type counter struct{ invalidations int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.invalidations += int64(strings.Count(string(p), "invalidate"))
	return len(p), nil
}
