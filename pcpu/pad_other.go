//go:build !amd64

package pcpu

const linesFetchedTogether = 1
