package smrfile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// Another process truncates the file: what would end the program is an error.
func ExampleFile_Read() {
	path := write(strings.Repeat("x", 1<<20))
	defer os.RemoveAll(filepath.Dir(path))
	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close(context.Background())
	os.Truncate(path, 0)

	var text string
	s := f.Enter()
	defer s.Leave()
	err = f.Read(s, 1<<19, 10, func(b []byte) error {
		text = string(b) // copies: it is used after the section
		return nil
	})
	var fault *smrfile.FaultError
	fmt.Println(errors.As(err, &fault), fault.Path == path, fault.Off>>19, text == "")
	// Output: true true 1 true
}
