package sigbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

func Run() {
	dir, err := os.MkdirTemp("", "sigbus")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rows")
	if err := os.WriteFile(path, bytes.Repeat([]byte("row "), 1<<18), 0o600); err != nil {
		panic(err)
	}
	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{})
	if err != nil {
		panic(err)
	}
	read(f, 1<<19, 3)
	os.Truncate(path, 0)
	read(f, 1<<19, 3)
	read(f, 1<<20, 3)
	fmt.Println(f.Close(context.Background()))
	read(f, 0, 3)
}

func use(row []byte)                        { fmt.Printf("%s\n", row) }
func retry()                                { fmt.Println("retry") }
func quarantine(_ string, _ int64, _ error) { fmt.Println("quarantine") }

func read(f *smrfile.File, off int64, n int) {
	// block 1
}

// Output:
// row
// quarantine
// retry
// <nil>
// retry
