//go:build race || asan || msan

package smr

const instrumented = true
