package server

import (
	"math/rand/v2"

	"github.com/gosmr/gosmr/smrmap"
)

// randomSample is how many keys RANDOMKEY chooses from. Of one alone the chance would
// be that of the gap before it.
const randomSample = 16

// cmdRandomKey takes the keys that follow on a random place, round the map, and
// replies with one of them.
func cmdRandomKey(c *conn, _ [][]byte) {
	c.takesLong() // where most keys have expired
	for {
		mark, seen, copied := len(c.out.b), 0, true
		choose := func(key []byte, _ smrmap.Item) {
			if seen++; rand.IntN(seen) > 0 { // each of those seen is as likely
				return
			}
			c.out.b = c.out.b[:mark]
			copied = c.copyBulk(key)
		}
		c.data().Scan(rand.Uint64(), randomSample, choose)
		if seen < randomSample {
			c.data().Scan(0, randomSample-seen, choose)
		}
		switch {
		case seen == 0:
			c.null()
			return
		case copied:
			return
		}
		if !c.makeRoom(c.want) {
			c.error(errReplyRoom)
			return
		}
	}
}
