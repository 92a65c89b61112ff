package server

import (
	"github.com/gosmr/gosmr/cmd/smrkv/internal/longdouble"
	"github.com/gosmr/gosmr/smrmap"
)

const (
	errNotFloat  = "ERR value is not a valid float"
	errNotFinite = "ERR increment would produce NaN or Infinity"
)

func cmdIncrByFloat(c *conn, args [][]byte) {
	key := args[1]
	by, ok := longdouble.Parse(args[2])
	if !ok {
		c.error(errNotFloat)
		return
	}
	var (
		sum     []byte
		expires int64
		failure string
	)
	ok = c.compute(key, func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool) {
		var n longdouble.Number
		failure = ""
		if loaded {
			if n, loaded = longdouble.Parse(old.Value); !loaded {
				failure = errNotFloat
				return it, smrmap.CancelOp, true
			}
		}
		n, finite := longdouble.Add(&n, &by)
		if !finite {
			failure = errNotFinite
			return it, smrmap.CancelOp, true
		}
		sum, expires = n.Append(sum[:0]), old.Expires
		return smrmap.Item{Value: sum, Expires: expires}, smrmap.UpdateOp, true
	})
	switch {
	case !ok:
	case failure != "":
		c.error(failure)
	default:
		c.stored(key, len(key)+len(sum), expires)
		c.bulk(sum)
	}
}
