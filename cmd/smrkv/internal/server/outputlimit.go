package server

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/units"
)

// An outputLimit says how much a client may leave unread before it is disconnected: more than
// hard at no time, and more than soft no longer than seconds. 0: any amount. It holds for
// subscribers. What others are replied is bounded, for their commands wait.
type outputLimit struct{ hard, soft, seconds int64 }

// outputLimits are those of each class of clients; there are no replicas.
type outputLimits [3]outputLimit

const (
	normalClass = iota
	replicaClass
	pubsubClass
)

var defaultOutputLimits = outputLimits{replicaClass: {256 << 20, 64 << 20, 60}, pubsubClass: {32 << 20, 8 << 20, 60}}

func (t *settings) pubsubLimit() *outputLimit { return &t.outputLimits.Load()[pubsubClass] }

func (l *outputLimits) String() string {
	var b strings.Builder
	for i, class := range []string{"normal", " slave", " pubsub"} {
		fmt.Fprintf(&b, "%s %d %d %d", class, l[i].hard, l[i].soft, l[i].seconds)
	}
	return b.String()
}

// parseOutputLimits parses limits of some classes; the others stay.
func parseOutputLimits(s *Server, v string) (func(), error) {
	limits := *s.settings.outputLimits.Load()
	words := strings.Split(v, " ")
	if v == "" {
		words = nil
	}
	if len(words)%4 != 0 {
		return nil, errors.New("Wrong number of arguments in buffer limit configuration.")
	}
	for ; len(words) > 0; words = words[4:] {
		class, ok := map[string]int{"normal": normalClass, "slave": replicaClass, "replica": replicaClass, "pubsub": pubsubClass}[strings.ToLower(words[0])]
		if !ok {
			return nil, errors.New("Invalid client class specified in buffer limit configuration.")
		}
		hard, err1 := units.ParseBytes(words[1])
		soft, err2 := units.ParseBytes(words[2])
		seconds, ok := resp.ParseInt([]byte(words[3]))
		if err1 != nil || err2 != nil || !ok || seconds < 0 || seconds > math.MaxInt32 {
			return nil, errors.New("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
		}
		if class == normalClass && (hard > 0 || soft > 0) {
			return nil, errors.New("argument must be 'normal 0 0 0' here")
		}
		limits[class] = outputLimit{hard, soft, seconds}
	}
	return func() { s.settings.outputLimits.Store(&limits) }, nil
}
