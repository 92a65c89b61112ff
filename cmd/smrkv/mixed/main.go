// Mixed measures how many values of 100 B to 1.6 MB a second a server stores that is full and evicts:
//
//	smrkv -addr :6380 -maxmemory 64mb -maxmemory-policy allkeys-lru
//	redis-server --maxmemory 64mb --maxmemory-policy allkeys-lru --save ""
//
// As many values are of 1 to 2 KB as of 100 to 200.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const least, most = 100, 1_600_000 // bytes of a value

func main() {
	addr := flag.String("addr", "127.0.0.1:6379", "`host:port` of the server")
	writers := flag.Int("writers", 32, "`connections`")
	keys := flag.Int("keys", 10_000, "how many there are")
	duration := flag.Duration("duration", 3*time.Second, "how long")
	flag.Parse()
	var stored, refused atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(*duration)
	for i := range *writers {
		wg.Go(func() {
			if err := write(*addr, uint64(i), *keys, end, &stored, &refused); err != nil {
				log.Fatal(err)
			}
		})
	}
	wg.Wait()
	fmt.Printf("%.0f values a second, %d refused\n", float64(stored.Load())/duration.Seconds(), refused.Load())
}

var bytes = make([]byte, most)

// write stores values until end.
func write(addr string, seed uint64, keys int, end time.Time, stored, refused *atomic.Int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for time.Now().Before(end) {
		size := int(least * math.Pow(most/least, rnd.Float64()))
		key := fmt.Sprintf("key:%d", rnd.IntN(keys))
		head := fmt.Sprintf("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n", len(key), key, size)
		command := net.Buffers{[]byte(head), bytes[:size], []byte("\r\n")}
		if _, err := command.WriteTo(c); err != nil {
			return err
		}
		switch reply, err := r.ReadString('\n'); {
		case err != nil:
			return err
		case reply[0] == '-':
			refused.Add(1)
		default:
			stored.Add(1)
		}
	}
	return nil
}
