// Fanout measures how many messages a second a server delivers to the subscribers of a
// channel. It is the part of bench.sh that redis-benchmark does not have.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:6379", "`host:port` of the server")
	subscribers := flag.Int("subscribers", 100, "`connections` that subscribe")
	messages := flag.Int("messages", 20_000, "how many are published")
	pipeline := flag.Int("pipeline", 1, "how many are published before their replies are read")
	size := flag.Int("size", 64, "`bytes` of a message")
	flag.Parse()
	payload := strings.Repeat("x", *size)
	message := fmt.Sprintf("*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$%d\r\n%s\r\n", *size, payload)

	done := make(chan error, *subscribers)
	for range *subscribers {
		c, r := connect(*addr)
		io.WriteString(c, "SUBSCRIBE channel\r\n")
		if err := skip(r, len("*3\r\n$9\r\nsubscribe\r\n$7\r\nchannel\r\n:1\r\n")); err != nil {
			log.Fatal(err)
		}
		go func() { done <- skip(r, *messages*len(message)) }()
	}
	c, r := connect(*addr)
	batch := strings.Repeat(fmt.Sprintf("*3\r\n$7\r\nPUBLISH\r\n$7\r\nchannel\r\n$%d\r\n%s\r\n", *size, payload), *pipeline)
	reply := len(fmt.Sprintf(":%d\r\n", *subscribers)) * *pipeline
	start := time.Now()
	for range *messages / *pipeline {
		io.WriteString(c, batch)
		if err := skip(r, reply); err != nil {
			log.Fatal(err)
		}
	}
	for range *subscribers {
		if err := <-done; err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%.0f\n", float64(*messages**subscribers)/time.Since(start).Seconds())
}

func connect(addr string) (net.Conn, *bufio.Reader) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	return c, bufio.NewReaderSize(c, 64<<10)
}

func skip(r *bufio.Reader, n int) error {
	_, err := io.CopyN(io.Discard, r, int64(n))
	return err
}
