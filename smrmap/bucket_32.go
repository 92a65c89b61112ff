//go:build 386 || arm || mips || mipsle

package smrmap

const bucketSize = 40
