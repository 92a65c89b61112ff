// Package report makes of a run what people look at: plots, tables, and the samples.
package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosmr/gosmr/bench/internal/run"
)

// Write writes the report into a directory: README.md, plots as SVG files, and results.csv,
// of which [Read] makes the run again. The latter comes first, so that no run is lost to a
// report that fails. Plots of an earlier report are removed.
func Write(dir string, r *run.Run) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var samples bytes.Buffer
	if err := WriteCSV(&samples, r); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, resultsCSV), samples.Bytes(), 0o666); err != nil {
		return err
	}
	if err := check(r.Samples); err != nil {
		return err
	}
	t := NewTable(r)
	p := page{run: r, table: t, looks: looksOf(t), files: make(map[string][]byte)}
	if err := p.write(); err != nil {
		return err
	}
	p.files["README.md"] = p.out.Bytes()
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range there {
		if strings.HasSuffix(e.Name(), ".svg") && e.Type().IsRegular() && p.files[e.Name()] == nil {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for _, name := range sortedKeys(p.files) {
		if err := os.WriteFile(filepath.Join(dir, name), p.files[name], 0o666); err != nil {
			return err
		}
	}
	return nil
}
