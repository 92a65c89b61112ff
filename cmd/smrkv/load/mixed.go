package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

var mixed = flag.Duration("mixed", 0, "how long to store values of 100 B to 1.6 MB, instead; to a server that is full and evicts")

const (
	mixedKeys   = 10_000
	least, most = 100, 1_600_000 // bytes of a value: as many have 1 to 2 KB as 100 to 200
)

// storeMixed stores values by connections, which say when the time is over. It returns when it began. How
// many are stored, and how many refused, is counted meanwhile.
func storeMixed(done chan<- error, stored, refused *atomic.Int64) (start time.Time) {
	start = time.Now()
	bytes := make([]byte, most)
	for i := range *clients {
		go func() { done <- writeMixed(uint64(i), bytes, start.Add(*mixed), stored, refused) }()
	}
	return start
}

func writeMixed(seed uint64, bytes []byte, end time.Time, stored, refused *atomic.Int64) error {
	c, r := connect()
	defer c.Close()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for time.Now().Before(end) {
		size := int(least * math.Pow(most/least, rnd.Float64()))
		key := fmt.Sprintf("key:%d", rnd.IntN(mixedKeys))
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
