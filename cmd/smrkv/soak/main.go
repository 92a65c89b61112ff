// Command soak puts mixed load on an smrkv with little memory, for as long as it is told,
// and watches how much memory the process really takes. It prints a line each ten seconds
// and a curve at the end, and exits with status 1 if it took more than -factor times its
// -maxmemory.
//
//	go run ./cmd/smrkv/soak -duration 10m
//
// Keys are chosen from many more than fit; values are from 1 byte to 64 KiB, each size
// class as likely as any other, one in a hundred up to 1 MiB; some expire; clients set,
// get, append, count, delete, and now and then one deletes everything. One pipeline in eight is
// a transaction, every other client is one by TLS, and some watch what they change.
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
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	duration = flag.Duration("duration", 10*time.Minute, "how long")
	limit    = flag.Int64("maxmemory", 256, "of smrkv, in MiB")
	policy   = flag.String("maxmemory-policy", "allkeys-clock", "of smrkv")
	factor   = flag.Float64("factor", 1.25, "how much of maxmemory the process may take")
	clients  = flag.Int("clients", 16, "connections")
	metrics  = flag.String("metrics", "", "address for smrkv to serve its metrics and profiles on")
	keys     = flag.Int("keys", 2_000_000, "keys there are")
)

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
	build := exec.Command("go", "build", "-o", bin, "github.com/gosmr/gosmr/cmd/smrkv")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build smrkv: %w", err)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	secure, err := writeCertificate(cert, key)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	l.Close() // smrkv is to have it
	kv := exec.Command(bin, "-addr=", "-unix", socket, "-tls-port", addr, "-tls-cert", cert, "-tls-key", key,
		"-maxmemory", fmt.Sprintf("%dMiB", *limit), "-maxmemory-policy", *policy, "-loglevel", "warn", "-metrics", *metrics)
	kv.Stdout, kv.Stderr = os.Stdout, os.Stderr
	if err := kv.Start(); err != nil {
		return err
	}
	defer kv.Wait()
	defer kv.Process.Signal(os.Interrupt)

	db := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, PoolSize: *clients + 1, DisableIdentity: true, Protocol: 2})
	defer db.Close()
	tlsDB := redis.NewClient(&redis.Options{Addr: addr, TLSConfig: secure, PoolSize: *clients})
	defer tlsDB.Close()
	ctx, cancel := context.WithTimeout(context.Background(), *duration)
	defer cancel()
	for db.Ping(ctx).Err() != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(50 * time.Millisecond)
	}

	var ops, oom, failed, slowest atomic.Int64
	var wg sync.WaitGroup
	for c := range *clients {
		wg.Go(func() {
			load(ctx, []*redis.Client{db, tlsDB}[c%2], uint64(c), &ops, &oom, &failed, &slowest)
		})
	}
	curve, err := watch(ctx, kv.Process.Pid, db, &ops, &oom, &slowest)
	wg.Wait()
	if err != nil {
		return err
	}
	return report(curve, failed.Load())
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

// load sends pipelines of mixed commands until ctx ends, and notes how long the slowest took.
func load(ctx context.Context, db *redis.Client, seed uint64, ops, oom, failed, slowest *atomic.Int64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	value := func() []byte {
		most := 16
		if rnd.IntN(100) == 0 {
			most = 20
		}
		return noise[:1+rnd.IntN(1<<rnd.IntN(most+1))]
	}
	for ctx.Err() == nil {
		p := db.Pipeline()
		if rnd.IntN(8) == 0 {
			p = db.TxPipeline()
		}
		for range 1 + rnd.IntN(16) {
			k := "key:" + strconv.Itoa(rnd.IntN(*keys))
			switch n := rnd.IntN(100); {
			case n < 40:
				p.Set(ctx, k, value(), 0)
			case n < 45:
				p.Set(ctx, k, value(), time.Duration(1+rnd.IntN(60))*time.Second)
			case n < 50:
				p.Append(ctx, k, string(value()[:1]))
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
			if err != nil && err != redis.TxFailedErr && !strings.Contains(err.Error(), "OOM") && ctx.Err() == nil {
				failed.Add(1)
				fmt.Fprintln(os.Stderr, "soak: watch:", err)
			}
		}
		if rnd.IntN(1_000_000) == 0 {
			p.FlushAll(ctx)
		}
		start := time.Now()
		cmds, _ := p.Exec(ctx)
		for took, most := int64(time.Since(start)), slowest.Load(); took > most && !slowest.CompareAndSwap(most, took); {
			most = slowest.Load()
		}
		for _, c := range cmds {
			switch err := c.Err(); {
			case err == nil || err == redis.Nil:
				ops.Add(1)
			case strings.Contains(err.Error(), "OOM"): // of one command, or a transaction
				oom.Add(1)
			case ctx.Err() == nil:
				failed.Add(1)
				fmt.Fprintln(os.Stderr, "soak:", c.Name(), err)
			}
		}
	}
}

// watch samples the resident memory, in MiB, until ctx ends.
func watch(ctx context.Context, pid int, db *redis.Client, ops, oom, slowest *atomic.Int64) (curve []float64, err error) {
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
				time.Since(start).Round(time.Second), rss, size, ops.Load(), oom.Load(), time.Duration(slowest.Swap(0)).Round(time.Millisecond))
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
	allowed := float64(*limit) * *factor
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
		return fmt.Errorf("%d commands failed", failed)
	case most > allowed:
		return fmt.Errorf("%.1f MiB resident, %.1f allowed", most, allowed)
	}
	return nil
}
