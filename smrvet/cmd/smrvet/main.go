// Command smrvet runs the analyzers of package smrvet, by itself or as a go vet -vettool.
package main

import (
	"flag"

	"golang.org/x/tools/go/analysis/multichecker"

	"github.com/gosmr/gosmr/smrvet"
)

func main() {
	flag.BoolVar(&smrvet.Strict, "strict", false, "report what may be a mistake, too")
	multichecker.Main(smrvet.Analyzers...)
}
