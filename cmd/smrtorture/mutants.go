package main

import (
	"context"
	"io"
)

func runMutants(ctx context.Context, chosen []*scenario, o *options, stdout, stderr io.Writer) int {
	return 0
}
