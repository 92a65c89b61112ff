//go:build !(386 || arm || mips || mipsle || wasm)

package smrmap

// bucketSize is a line: a lookup that hits touches this one and the entry's.
const bucketSize = 64
