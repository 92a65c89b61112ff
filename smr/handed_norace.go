//go:build !race

package smr

// Without -race nothing is written. See handed_race.go.

const watchUse = debugging

type handedOver struct{}

func (*handedOver) use() {}
