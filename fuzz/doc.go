// Package fuzz holds the fuzz targets: programs made of bytes, run on the library
// and on a model. go test runs the corpus in testdata;
//
//	go test ./fuzz -run '^$' -fuzz FuzzQueues -fuzztime 10m -fuzzminimizetime 100x
//
// looks for more. What it finds goes into testdata with the fix.
package fuzz
