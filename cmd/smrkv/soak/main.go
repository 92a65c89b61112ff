// Command soak puts mixed load on an smrkv with little memory, for as long as it is told, and
// looks for what is wrong. It prints a line each ten seconds and a curve of the memory at the
// end, and exits with status 1 if anything of this did not hold:
//
//   - No value is another key's, or a part of it, and no key is there after its end.
//   - A transaction is whole: what two accounts have together stays the same.
//   - A subscriber has each message in order and once, until it is cut off for being slow.
//   - The process takes no more than -factor times its -maxmemory, and what its clients may have.
//   - When the clients are gone it has no goroutine or file more than before, nothing is
//     pending, and it ends in order.
//
// The command is
//
//	go run ./cmd/smrkv/soak -duration 10m
//
// Keys are chosen from many more than fit; values are from 1 byte to 64 KiB, each size
// class as likely as any other, one in a hundred up to 1 MiB; some expire; clients set,
// get, append, count, delete, and now and then one deletes everything. One pipeline in eight is
// a transaction, every other client is one by TLS, and some watch what they change. Meanwhile
// connections die with commands unfinished, transactions open, messages unread, or as monitors.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	duration = flag.Duration("duration", 10*time.Minute, "how long")
	limit    = flag.Int64("maxmemory", 256, "of smrkv, in MiB")
	policy   = flag.String("maxmemory-policy", "allkeys-clock", "of smrkv")
	factor   = flag.Float64("factor", 1.25, "how much of maxmemory the process may take")
	clients  = flag.Int("clients", 16, "connections")
	metrics  = flag.String("metrics", "", "address for smrkv to serve its metrics and profiles on (default any)")
	keys     = flag.Int("keys", 2_000_000, "keys there are")
	race     = flag.Bool("race", false, "build smrkv with the race detector, and let it take what memory it likes")
)

// clientMemory is what smrkv's clients may have, in MiB.
const clientMemory = 64

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin, socket := filepath.Join(dir, "smrkv"), filepath.Join(dir, "socket")
	build := exec.Command("go", "build", "-race="+strconv.FormatBool(*race), "-o", bin, "github.com/gosmr/gosmr/cmd/smrkv")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build smrkv: %w", err)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	secure, err := writeCertificate(cert, key)
	if err != nil {
		return err
	}
	addr, err := free("")
	if err != nil {
		return err
	}
	web, err := free(*metrics)
	if err != nil {
		return err
	}
	kv := exec.Command(bin, "-addr=", "-unix", socket, "-tls-port", addr, "-tls-cert", cert, "-tls-key", key,
		"-maxmemory", fmt.Sprintf("%dMiB", *limit), "-maxmemory-clients", fmt.Sprintf("%dMiB", clientMemory),
		"-maxmemory-policy", *policy, "-loglevel", "warn", "-metrics", web, "-io-threads", "4")
	kv.Stdout, kv.Stderr = os.Stdout, os.Stderr
	if err := kv.Start(); err != nil {
		return err
	}
	err = soak(kv.Process.Pid, socket, addr, web, secure)
	kv.Process.Signal(os.Interrupt)
	if ended := kv.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("smrkv: %w", ended))
	}
	return err
}

// free returns addr, or an address that nobody listens on.
func free(addr string) (string, error) {
	if addr != "" {
		return addr, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// soak is all that is done while smrkv runs.
func soak(pid int, socket, addr, web string, secure *tls.Config) error {
	background := context.Background()
	one := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, PoolSize: 1, DisableIdentity: true})
	defer one.Close()
	for start := time.Now(); one.Ping(background).Err() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			return errors.New("smrkv does not answer")
		}
	}
	if err := one.ConfigSet(background, "client-output-buffer-limit", "pubsub 4mb 1mb 5").Err(); err != nil {
		return err
	}
	before, err := hold(background, pid, web, one)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(background, *duration)
	defer cancel()
	const patience = time.Minute // what is slow is not wrong: the slowest is printed
	plain := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, PoolSize: 4 * *clients, DisableIdentity: true, Protocol: 2, MaxRetries: -1, ReadTimeout: patience, PoolTimeout: patience})
	byTLS := redis.NewClient(&redis.Options{Addr: addr, TLSConfig: secure, PoolSize: 4 * *clients, MaxRetries: -1, ReadTimeout: patience, PoolTimeout: patience})
	dials := []func() (net.Conn, error){
		func() (net.Conn, error) { return net.Dial("unix", socket) },
		func() (net.Conn, error) { return tls.Dial("tcp", addr, secure) },
	}
	var t tally
	var wg sync.WaitGroup
	for c := range *clients {
		wg.Go(func() { load(ctx, []*redis.Client{plain, byTLS}[c%2], uint64(c), &t) })
	}
	for c := range channels {
		db := []*redis.Client{plain, byTLS}[c%2]
		wg.Go(func() { publish(ctx, db, c, &t) })
		wg.Go(func() { subscribe(ctx, db, c < channels/2, &t) })
		wg.Go(func() { transfer(ctx, db, uint64(c), &t) })
		wg.Go(func() { expire(ctx, db, uint64(c), &t) })
		wg.Go(func() { die(ctx, dials[c%2], uint64(c), &t) })
	}
	curve, err := watch(ctx, pid, one, &t)
	wg.Wait()
	err = errors.Join(err, plain.Close(), byTLS.Close())
	if err != nil {
		return err
	}
	fmt.Printf("\n%v\n", &t)
	fmt.Println(one.InfoMap(background, "stats").Item("Stats", "client_output_buffer_limit_disconnections"), "cut off in all")
	return errors.Join(released(background, before, pid, web, one), report(curve, t.failed.Load()))
}

// writeCertificate writes the certificate of 127.0.0.1 that package httptest has, and returns
// what trusts it.
func writeCertificate(cert, key string) (*tls.Config, error) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pair := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	return s.Client().Transport.(*http.Transport).TLSClientConfig, errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}

// noise has no tilde: APPEND adds those.
var noise = sync.OnceValue(func() []byte {
	rnd := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, 2<<20)
	for i := range b {
		b[i] = byte(rnd.IntN('~'))
	}
	return b
})

// mine says whether value is one of key's: a part of the noise that begins at a place of
// the key's own, and tildes.
func mine(id int, value string) bool {
	value = strings.TrimRight(value, "~")
	return len(value) <= 1<<20 && value == string(noise()[id%(1<<20):][:len(value)])
}

// load sends pipelines of mixed commands until ctx ends, and notes how long the slowest took.
func load(ctx context.Context, db *redis.Client, seed uint64, t *tally) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	value := func(id int) []byte {
		most := 16
		if rnd.IntN(100) == 0 {
			most = 20
		}
		return noise()[id%(1<<20):][:1+rnd.IntN(1<<rnd.IntN(most+1))]
	}
	for !ending(ctx) {
		p := db.Pipeline()
		if rnd.IntN(8) == 0 {
			p = db.TxPipeline()
		}
		for range 1 + rnd.IntN(16) {
			id := rnd.IntN(*keys)
			k := "key:" + strconv.Itoa(id)
			switch n := rnd.IntN(100); {
			case n < 40:
				p.Set(ctx, k, value(id), 0)
			case n < 45:
				p.Set(ctx, k, value(id), time.Duration(1+rnd.IntN(60))*time.Second)
			case n < 50:
				p.Append(ctx, k, "~")
			case n < 55:
				p.Incr(ctx, "count:"+strconv.Itoa(rnd.IntN(1000)))
			case n < 60:
				p.Del(ctx, k)
			default:
				p.Get(ctx, k)
			}
		}
		if rnd.IntN(50) == 0 {
			key := "watched:" + strconv.Itoa(rnd.IntN(10))
			err := db.Watch(ctx, func(tx *redis.Tx) error {
				n, _ := tx.Get(ctx, key).Int()
				_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, key, n+1, 0).Err() })
				return err
			}, key)
			if err != nil && err != redis.TxFailedErr && !lost(ctx, err) {
				t.wrong("watch: %v", err)
			}
		}
		if rnd.IntN(1_000_000) == 0 {
			p.FlushAll(ctx)
		}
		start := time.Now()
		cmds, _ := p.Exec(ctx)
		for took, most := int64(time.Since(start)), t.slowest.Load(); took > most && !t.slowest.CompareAndSwap(most, took); {
			most = t.slowest.Load()
		}
		for _, c := range cmds {
			switch err := c.Err(); {
			case err == nil || err == redis.Nil:
				t.ops.Add(1)
				if get, ok := c.(*redis.StringCmd); ok && err == nil {
					key, _ := get.Args()[1].(string)
					if id, _ := strconv.Atoi(strings.TrimPrefix(key, "key:")); !mine(id, get.Val()) {
						t.wrong("%s has %d bytes that are not its own, %.20q", key, len(get.Val()), get.Val())
					}
				}
			case strings.Contains(err.Error(), "OOM"): // of one command, or a transaction
				t.oom.Add(1)
			case !ending(ctx):
				t.wrong("%s: %v", c.Name(), err)
			}
		}
	}
}

// watch samples the resident memory, in MiB, until ctx ends.
func watch(ctx context.Context, pid int, db *redis.Client, t *tally) (curve []float64, err error) {
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return curve, nil
		case <-tick.C:
		}
		rss, err := resident(pid)
		if err != nil {
			return nil, err
		}
		curve = append(curve, rss)
		if n%10 == 0 {
			size, _ := db.DBSize(ctx).Result()
			fmt.Printf("%6s  resident %6.1f MiB  keys %8d  commands %10d  OOM replies %d  slowest pipeline %v\n",
				time.Since(start).Round(time.Second), rss, size, t.ops.Load(), t.oom.Load(), time.Duration(t.slowest.Swap(0)).Round(time.Millisecond))
		}
	}
}

// resident returns how much memory a process takes, in MiB.
func resident(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kb, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(kb), " kB"))
			return float64(n) / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d does not say what it takes", pid)
}

// report draws the curve, in up to 60 columns, and compares its highest point with what
// is allowed.
func report(curve []float64, failed int64) error {
	allowed := float64(*limit)**factor + clientMemory
	most := 0.0
	for _, v := range curve {
		most = max(most, v)
	}
	const rows, columns = 12, 60
	top := max(most, allowed) * 1.05
	fmt.Println()
	for row := rows; row > 0; row-- {
		line := []byte(strings.Repeat(" ", min(columns, len(curve))))
		for c := range line {
			part := curve[c*len(curve)/len(line) : max((c+1)*len(curve)/len(line), c*len(curve)/len(line)+1)]
			high := 0.0
			for _, v := range part {
				high = max(high, v)
			}
			if high >= top*float64(row)/rows {
				line[c] = '#'
			} else if float64(row-1)/rows*top < allowed && allowed <= float64(row)/rows*top {
				line[c] = '-'
			}
		}
		fmt.Printf("%6.0f |%s\n", top*float64(row)/rows, line)
	}
	fmt.Printf("       +%s MiB over %v; allowed: %.0f (-)\n", strings.Repeat("-", columns), *duration, allowed)
	fmt.Printf("most: %.1f MiB = %.2f of maxmemory\n", most, most/float64(*limit))
	switch {
	case failed > 0:
		return fmt.Errorf("%d things were wrong", failed)
	case most > allowed && !*race:
		return fmt.Errorf("%.1f MiB resident, %.1f allowed", most, allowed)
	}
	return nil
}
