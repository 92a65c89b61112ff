// Package fuzz has the fuzz targets: programs made of bytes, run on the library and on a model. go
// test runs the corpus in testdata. To search for more, run
//
//	go test ./fuzz -run '^$' -fuzz FuzzQueues -fuzztime 10m -fuzzminimizetime 100x
//
// and commit what it finds to testdata with the fix.
//
// The programs of FuzzClock, FuzzDomain and FuzzStw have goroutines that wait. They run in a bubble
// of testing/synctest, and check after each step, when all goroutines are asleep: so they know what
// must have happened, and not only what must not.
package fuzz
