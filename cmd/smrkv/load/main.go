// Load measures what redis-benchmark does not: how many messages a second a server delivers to the
// subscribers of a channel, and how many transactions a second it executes, as a part of bench.sh; and how
// many values of very different sizes a second one stores that is full and evicts, such as
//
//	smrkv -addr :6380 -maxmemory 64mb -maxmemory-policy allkeys-lru
//	redis-server --maxmemory 64mb --maxmemory-policy allkeys-lru --save ""
//
// with -mixed 3s -clients 32.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

var (
	addr     = flag.String("addr", "127.0.0.1:6379", "`host:port` of the server")
	clients  = flag.Int("clients", 100, "`connections` that subscribe, send transactions, or store values")
	n        = flag.Int("n", 20_000, "how many messages or transactions, of all together")
	pipeline = flag.Int("pipeline", 1, "how many are sent before their replies are read")
	size     = flag.Int("size", 64, "`bytes` of a message or a value")
	multi    = flag.Int("multi", 0, "`commands` of a transaction, which set keys; 0: messages instead")
)

// keys is how many of them transactions set.
const keys = 100_000

func main() {
	flag.Parse()
	done := make(chan error, *clients)
	var start time.Time
	var total int
	var stored, refused atomic.Int64
	switch {
	case *mixed > 0:
		start = storeMixed(done, &stored, &refused)
	case *multi > 0:
		start, total = transact(done)
	default:
		start, total = publish(done)
	}
	for range *clients {
		if err := <-done; err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%.0f\n", float64(int64(total)+stored.Load())/time.Since(start).Seconds())
	if n := refused.Load(); n > 0 {
		log.Printf("%d values were refused", n)
	}
}

// publish sends messages to subscribers, which say when they have got all. It returns when it began, and
// how many they get together.
func publish(done chan<- error) (start time.Time, total int) {
	payload := strings.Repeat("x", *size)
	message := encode("message", "channel", payload)
	rounds := *n / *pipeline
	for range *clients {
		c, r := connect()
		io.WriteString(c, "SUBSCRIBE channel\r\n")
		if err := skip(r, len("*3\r\n$9\r\nsubscribe\r\n$7\r\nchannel\r\n:1\r\n")); err != nil {
			log.Fatal(err)
		}
		go func() { done <- skip(r, rounds**pipeline*len(message)) }()
	}
	c, r := connect()
	start = time.Now()
	batch := strings.Repeat(encode("PUBLISH", "channel", payload), *pipeline)
	if err := repeat(c, r, rounds, []string{batch}, len(fmt.Sprintf(":%d\r\n", *clients))**pipeline); err != nil {
		log.Fatal(err)
	}
	return start, rounds * *pipeline * *clients
}

// transact sends transactions by connections, which say when they have their replies. It returns when it
// began, and how many they are.
func transact(done chan<- error) (start time.Time, total int) {
	batches := make([]string, 64) // made before, and not while they are sent
	for i := range batches {
		for range *pipeline {
			batches[i] += encode("MULTI")
			for range *multi {
				batches[i] += encode("SET", fmt.Sprintf("key:%012d", rand.IntN(keys)), strings.Repeat("x", *size))
			}
			batches[i] += encode("EXEC")
		}
	}
	reply := "+OK\r\n" + strings.Repeat("+QUEUED\r\n", *multi) + fmt.Sprintf("*%d\r\n", *multi) + strings.Repeat("+OK\r\n", *multi)
	rounds := *n / *pipeline / *clients
	start = time.Now()
	for range *clients {
		go func() {
			c, r := connect()
			done <- repeat(c, r, rounds, batches, len(reply)**pipeline)
		}()
	}
	return start, rounds * *pipeline * *clients
}

// repeat sends batches, each of which has a reply of so many bytes.
func repeat(c net.Conn, r *bufio.Reader, rounds int, batches []string, reply int) error {
	first := rand.IntN(len(batches))
	for i := range rounds {
		io.WriteString(c, batches[(first+i)%len(batches)])
		if err := skip(r, reply); err != nil {
			return err
		}
	}
	return nil
}

func encode(words ...string) string {
	b := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		b += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

func connect() (net.Conn, *bufio.Reader) {
	c, err := net.Dial("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	return c, bufio.NewReaderSize(c, 64<<10)
}

func skip(r *bufio.Reader, n int) error {
	_, err := io.CopyN(io.Discard, r, int64(n))
	return err
}
