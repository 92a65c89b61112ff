package report

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gosmr/gosmr/bench/internal/run"
)

const samplesFile = "results.csv.gz"

var columns = []string{"family", "param", "procs", "peer", "metric", "rep", "value"}

// WriteCSV writes a run: each field of its head as a line "# name: JSON", then the samples,
// in their order and exactly.
func WriteCSV(w io.Writer, r *run.Run) error {
	out := bufio.NewWriter(w)
	fields := reflect.ValueOf(r).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		if name == "Samples" {
			continue
		}
		fmt.Fprintf(out, "# %s: ", name)
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(fields.Field(i).Interface()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	rows := csv.NewWriter(out)
	rows.Write(columns) // errors stay until Flush
	for _, s := range r.Samples {
		rows.Write([]string{
			s.Family, strconv.Itoa(s.Param), strconv.Itoa(s.Procs), s.Peer, s.Metric, strconv.Itoa(s.Rep),
			strconv.FormatFloat(s.Value, 'g', -1, 64),
		})
	}
	rows.Flush()
	if err := rows.Error(); err != nil {
		return err
	}
	return out.Flush()
}

// ReadCSV reads what WriteCSV wrote.
func ReadCSV(rd io.Reader) (*run.Run, error) {
	in := bufio.NewReader(rd)
	var head []string
	for {
		if next, err := in.Peek(1); err != nil || next[0] != '#' {
			break // an error comes again
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("head: %w", err)
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "# "), ": ")
		if !ok {
			return nil, fmt.Errorf("head: not a name and a value: %q", line)
		}
		head = append(head, strconv.Quote(name)+":"+value)
	}
	r := new(run.Run)
	dec := json.NewDecoder(strings.NewReader("{" + strings.Join(head, ",") + "}"))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	rows := csv.NewReader(in)
	rows.FieldsPerRecord = len(columns)
	rows.ReuseRecord = true
	if names, err := rows.Read(); err != nil {
		return nil, err
	} else if !slices.Equal(names, columns) {
		return nil, fmt.Errorf("columns %q, not %q", names, columns)
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		s := run.Sample{Family: row[0], Peer: row[3], Metric: row[4]}
		for i, to := range map[int]*int{1: &s.Param, 2: &s.Procs, 5: &s.Rep} {
			if *to, err = strconv.Atoi(row[i]); err != nil {
				return nil, fmt.Errorf("sample %d: %s: %w", len(r.Samples)+1, columns[i], err)
			}
		}
		if s.Value, err = strconv.ParseFloat(row[6], 64); err != nil {
			return nil, fmt.Errorf("sample %d: %w", len(r.Samples)+1, err)
		}
		r.Samples = append(r.Samples, s)
	}
}

// writeSamples writes a run into a directory, compressed.
func writeSamples(dir string, r *run.Run) error {
	var file bytes.Buffer
	z, err := gzip.NewWriterLevel(&file, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := WriteCSV(z, r); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, samplesFile), file.Bytes(), 0o666)
}

// Read returns the run whose report is in a directory.
func Read(dir string) (*run.Run, error) {
	f, err := os.Open(filepath.Join(dir, samplesFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	r, err := ReadCSV(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return r, nil
}
