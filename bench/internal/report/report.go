// Package report turns a run into pages, plots and the file of its samples.
package report

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/gosmr/gosmr/bench/internal/run"
)

// Write writes the whole report into a directory: a page, README.md, with every table, a plot
// of each metric as an SVG file, and the samples, from which [Read] makes the run again. The
// samples come first, so that no run is lost to a report that fails. Plots of an earlier
// report are removed.
func Write(dir string, r *run.Run) error { return write(dir, r, false) }

// WriteSummary writes the part of a report that is committed: a page without the tables, the
// few plots that prose shows, and the samples. It, too, removes earlier plots.
func WriteSummary(dir string, r *run.Run) error { return write(dir, r, true) }

func write(dir string, r *run.Run, short bool) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := writeSamples(dir, r); err != nil {
		return err
	}
	if err := check(r.Samples); err != nil {
		return err
	}
	t := NewTable(r)
	p := page{run: r, short: short, table: t, looks: looksOf(t), files: make(map[string][]byte)}
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
