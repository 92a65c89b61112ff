// Package fuzz holds the fuzz targets: programs made of bytes, run on the library
// and on a model. go test runs the corpus in testdata;
//
//	go test ./fuzz -run '^$' -fuzz FuzzQueues -fuzztime 10m -fuzzminimizetime 100x
//
// looks for more. What it finds goes into testdata with the fix.
//
// The programs of FuzzClock, FuzzDomain and FuzzStw have goroutines that wait. They run in
// a bubble of testing/synctest, and look at what is done after each of their steps, when
// all is asleep: so they know what must have happened, and not only what must not.
package fuzz
