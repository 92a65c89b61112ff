package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/run"
)

var testPeers = []string{"gosmr-section", "gosmr-pin", "sync.RWMutex", "liburcu-qsbr", "a<b|c_d"}

// testRun has of some families numbers that can be told: of peer i, medians of i+1 times
// something.
func testRun() *run.Run {
	r := &run.Run{
		Machine: run.Machine{CPU: "A CPU", Procs: 4, Kernel: "Linux 6.1", OS: "linux/amd64", Go: "go1.25", Others: []string{"gcc 12.2.0", "rustc 1.90"}},
		Command: `go run ./bench -run 'a|b'`, Commit: "0123abc+", Start: time.Date(2026, 5, 4, 3, 2, 1, 123456789, time.UTC),
		Took: 90*time.Second + 5, Seed: math.MaxUint64, Reps: 3,
		Missing: []run.Missing{{Peers: "ck", Why: "no header:\n\"ck_epoch.h\"", How: "apt-get install libck-dev"}},
	}
	for i, name := range []string{"empty-loop", "plain-store", "proc-pin", "locked-add"} {
		r.Samples = append(r.Samples, run.Sample{Family: family.Floors, Procs: 1, Peer: name, Metric: "ns", Value: 0.25 * float64(i+1)})
	}
	add := func(name string, procs []int, params []int, value func(peer float64, param int, m string) float64) {
		f, _ := family.Find(name)
		for _, m := range f.Metrics {
			for _, param := range params {
				for _, n := range procs {
					for rep := range 3 {
						for i, p := range testPeers {
							v := value(float64(i+1), param, m.Name) * (1 + float64((rep+1)%3)/10)
							r.Samples = append(r.Samples, run.Sample{Family: name, Param: param, Procs: n, Peer: p, Metric: m.Name, Rep: rep, Value: v})
						}
					}
				}
			}
		}
	}
	add("section", []int{1, 2, 4}, []int{0}, func(peer float64, _ int, _ string) float64 { return peer })
	add("swap", []int{1, 4}, []int{0, 100}, func(peer float64, param int, _ string) float64 { return float64(param+1) / peer })
	add("long", []int{4}, []int{1, 10, 100}, func(peer float64, param int, m string) float64 { return 1e6 * peer * float64(param) })
	add("synchronize", []int{1, 4}, []int{0, 1, 16}, func(peer float64, param int, _ string) float64 { return 10 * peer * float64(param+1) })
	add("call", []int{1}, []int{1, 1000}, func(peer float64, _ int, _ string) float64 { return 1.5 / peer / peer })
	return r
}

func written(t *testing.T, r *run.Run) (dir, page string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, Write(dir, r))
	b, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	return dir, string(b)
}

// texts are those of an SVG file that is well-formed.
func texts(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Less(t, len(b), 60_000, file)
	require.NotContains(t, string(b), "NaN", file)
	require.NotContains(t, string(b), "Inf", file)
	var all []string
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			require.NotEmpty(t, all, file)
			return all
		}
		require.NoError(t, err, file)
		if text, ok := tok.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			all = append(all, strings.TrimSpace(string(text)))
		}
	}
}

func TestCSV_RoundTrip(t *testing.T) {
	for name, r := range map[string]*run.Run{"full": testRun(), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			r.Samples = append(r.Samples, run.Sample{Family: "section", Peer: `# a "peer", of `, Metric: "ns", Rep: -1, Value: 0.1 + 0.2})
			dir, _ := written(t, r)
			again, err := Read(dir)
			require.NoError(t, err)
			require.Equal(t, r, again)
		})
	}
}

func TestCSV_ReadErrors(t *testing.T) {
	var good bytes.Buffer
	require.NoError(t, WriteCSV(&good, testRun()))
	for name, change := range map[string]func(string) string{
		"empty":         func(string) string { return "" },
		"unknown field": func(s string) string { return "# What: 1\n" + s },
		"no value":      func(s string) string { return "# What\n" + s },
		"torn head":     func(s string) string { return s[:20] },
		"columns":       func(s string) string { return strings.Replace(s, "family,param", "param,family", 1) },
		"torn row":      func(s string) string { return s + "section,0,1" },
		"not a value":   func(s string) string { return s + "section,0,1,p,ns,0,x\n" },
		"not a number":  func(s string) string { return s + "section,0,x,p,ns,0,1\n" },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadCSV(strings.NewReader(change(good.String())))
			require.Error(t, err)
		})
	}
	_, err := Read(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTable(t *testing.T) {
	table := NewTable(testRun())
	s, ok := table.Lookup("section", 0, 2, "sync.RWMutex", "ns")
	require.True(t, ok)
	require.InDelta(t, 3, s.Min, 1e-9)
	require.InDelta(t, 3.3, s.Median, 1e-9)
	require.InDelta(t, 3.6, s.Max, 1e-9)
	require.Equal(t, 3, s.N)
	_, ok = table.Lookup("section", 0, 3, "sync.RWMutex", "ns")
	require.False(t, ok)

	long, _ := family.Find("long")
	best := table.Best(long, 10, 4, long.Metrics[0])
	ours, other := best.Ours, best.Other(long.Metrics[0])
	require.Equal(t, "gosmr-pin", ours.Peer)
	require.Equal(t, "a<b|c_d", other.Peer)
}

func TestTable_Median(t *testing.T) {
	r := new(run.Run)
	for _, v := range []float64{7, 1, 3, 2} {
		r.Samples = append(r.Samples, run.Sample{Family: "section", Peer: "p", Metric: "ns", Value: v})
	}
	table := NewTable(r)
	s, _ := table.Lookup("section", 0, 0, "p", "ns")
	require.Equal(t, Stat{1, 2.5, 7, 4}, s)
}

func TestRatio(t *testing.T) {
	less, more := family.Metric{}, family.Metric{Higher: true}
	for _, c := range []struct {
		ours, other float64
		m           family.Metric
		want        string
	}{
		{1, 2, less, "0.50"}, {1, 2, more, "2.00"},
		{0, 2, less, "0"}, {0, 2, more, "∞"},
		{2, 0, less, "∞"}, {2, 0, more, "0"},
		{0, 0, less, "–"}, {-1, 2, less, "–"},
		{123456, 1, less, "123,456"}, {1, 30, less, "0.0333"},
	} {
		require.Equal(t, c.want, times(Ratio(c.ours, c.other, c.m)), "%+v", c)
	}
}

func TestWrite_Page(t *testing.T) {
	_, page := written(t, testRun())
	for _, want := range []string{
		"| Machine | A CPU, 4 processors |\n",
		"| Versions | go1.25, gcc 12.2.0, rustc 1.90 |\n",
		"| Commit | `0123abc+` |\n",
		"| Date | 2026-05-04 03:02 UTC, took 1m30s |\n",
		"| Repetitions | 3 |\n",
		"| Seed | 18446744073709551615 |\n",
		"| Another like it | `go run ./bench -run 'a\\|b'` |\n",
		"- ck: no header: \"ck\\_epoch.h\". To have it: `apt-get install libck-dev`\n",
		// Summary: 1.1 to 3.3, and a floor of 0.25.
		"| [A read section alone](#a-read-section-alone) | time of an operation, 4 processors | gosmr-section<br>1.10 ns | sync.RWMutex<br>3.30 ns | 0.33 | liburcu-qsbr<br>4.40 ns | 0.25 | empty-loop<br>0.250 ns | 4.40 |\n",
		// 101/2 to 101/5.
		"updates in 1,000 operations: 100, 4 processors | gosmr-pin<br>55.6 ns | a&lt;b\\|c\\_d<br>22.2 ns | **2.50** | liburcu-qsbr<br>27.8 ns | **2.00** | plain-store<br>0.500 ns | 111 |\n",
		// More is better: 2 to 5, turned around.
		"microseconds in the section: 10, 4 processors | gosmr-pin<br>22.0 M/s | a&lt;b\\|c\\_d<br>55.0 M/s | **2.50** | liburcu-qsbr<br>44.0 M/s | **2.00** | – | – |\n",
		// Losses.
		"- [A deferred call](#a-deferred-call), time of a call: **6.25**, 0.413 ns to 0.0660 ns of a&lt;b\\|c\\_d (calls in a burst: 1; behind everywhere)\n",
		"- [Long sections beside a writer](#long-sections-beside-a-writer), reads a second: **2.50**, 22.0 M/s to 55.0 M/s of a&lt;b\\|c\\_d (microseconds in the section: 10, 4 processors; behind everywhere)\n",
		// Tables: with the parameter, the floor, and ours that lose.
		"| Processors | Peer | Median [min–max] | To the best other | To empty-loop |\n",
		"| 4 | gosmr-pin | 2.20 ns [2.00–2.40] | 0.67 | 8.80 |\n",
		"| 4 | 1 | gosmr-pin | 2.20 M/s [2.00–2.40] | **2.50** |\n",
		"| 4 | 1 | gosmr-section | 1.10 M/s [1.00–1.20] | 5.00 |\n",
		"| 1,000 | gosmr-pin | 0.413 ns [0.375–0.450] | **6.25** | 0.83 |\n",
		"| 1 | 16 | liburcu-qsbr | 748 ns [680–816] | 1.33 |\n",
	} {
		require.True(t, strings.Contains(page, want), want) // and not all of the page
	}
	require.NotContains(t, page, "| 2 | gosmr-pin", "between one and all")
	require.NotContains(t, page, "A read section alone](#a-read-section-alone), time", "not a loss")
	require.Equal(t, strings.Count(page, "<details>"), strings.Count(page, "</details>"))
}

func TestWrite_Plots(t *testing.T) {
	dir, page := written(t, testRun())
	there, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	require.NoError(t, err)
	var names []string
	for _, file := range there {
		name := filepath.Base(file)
		names = append(names, name)
		require.Equal(t, 1, strings.Count(page, "]("+name+")"), name)
		all := strings.Join(texts(t, file), "\n")
		if strings.HasPrefix(name, "floor") {
			continue
		}
		for _, p := range testPeers {
			require.Contains(t, all, p, name)
		}
		if strings.HasPrefix(name, "section") {
			for _, f := range []string{"empty-loop 0.250 ns", "plain-store 0.500 ns", "proc-pin 0.750 ns", "locked-add 1.00 ns"} {
				require.Contains(t, all, f, name)
			}
		}
	}
	require.Equal(t, []string{
		"call-all-1.svg", "call-ns-1.svg", "floor-ns.svg", "long-reads-4.svg", "long-updates-4.svg", "section-ns-scale.svg", "section-ns.svg",
		"swap-ns-1.svg", "swap-ns-4.svg",
		"synchronize-mean-1.svg", "synchronize-mean-4.svg", "synchronize-p50-1.svg", "synchronize-p50-4.svg", "synchronize-p99-1.svg", "synchronize-p99-4.svg",
	}, names)
}

// The summary has no table and no link into one, and the kept plots, under the same names on
// any machine. Its samples are all of them.
func TestWriteSummary(t *testing.T) {
	for _, procs := range [][]int{{1, 2}, {1, 2, 4, 64}} {
		r := &run.Run{Reps: 1}
		for _, f := range family.All {
			params := f.Full
			if f.Param == "" {
				params = []int{0}
			}
			for _, m := range f.Metrics {
				for _, param := range params {
					for _, n := range procs {
						r.Samples = append(r.Samples, run.Sample{Family: f.Name, Param: param, Procs: n, Peer: "gosmr", Metric: m.Name, Value: float64(len(r.Samples))})
					}
				}
			}
		}
		dir := t.TempDir()
		require.NoError(t, WriteSummary(dir, r))
		again, err := Read(dir)
		require.NoError(t, err)
		require.Equal(t, r, again)
		b, err := os.ReadFile(filepath.Join(dir, "README.md"))
		require.NoError(t, err)
		require.NotContains(t, string(b), "<details>")
		require.NotContains(t, string(b), "](#")
		all, err := filepath.Glob(filepath.Join(dir, "*.svg"))
		require.NoError(t, err)
		require.Len(t, all, len(kept))
		for _, k := range kept {
			name := k.family + "-" + k.metric + ".svg"
			require.Equal(t, 1, strings.Count(string(b), "]("+name+")"), name)
			require.FileExists(t, filepath.Join(dir, name))
		}
	}
}

func TestWrite_Deterministic(t *testing.T) {
	dir, _ := written(t, testRun())
	again, _ := written(t, testRun())
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range all {
		a, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(again, e.Name()))
		require.NoError(t, err)
		require.True(t, bytes.Equal(a, b), e.Name())
	}
}

// What was drawn from other results goes, and nothing else.
func TestWrite_RemovesOldPlots(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"old.svg", "notes.md", "README.md", "section-ns.svg"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o666))
	}
	require.NoError(t, Write(dir, testRun()))
	require.NoFileExists(t, filepath.Join(dir, "old.svg"))
	for name, old := range map[string]bool{"notes.md": true, "README.md": false, "section-ns.svg": false} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, old, string(b) == "old", name)
	}
}

func TestWrite_Empty(t *testing.T) {
	dir, page := written(t, &run.Run{})
	require.Contains(t, page, "Nothing was measured.")
	r, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, &run.Run{}, r)
}

// What is no number is an error, and the samples are there all the same.
func TestWrite_NotANumber(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		r := testRun()
		r.Samples[5].Value = v
		dir := t.TempDir()
		err := Write(dir, r)
		require.ErrorContains(t, err, fmt.Sprintf("sample 6: ns of gosmr-pin in section (parameter 0, processors 1) is %v", v))
		again, err := Read(dir)
		require.NoError(t, err)
		require.Len(t, again.Samples, len(r.Samples))
	}
	require.ErrorContains(t, Write(t.TempDir(), &run.Run{Samples: []run.Sample{{Family: "no-such"}}}), `no family "no-such"`)
}

// Every family, in settings that leave little to draw.
func TestWrite_Odd(t *testing.T) {
	for name, value := range map[string]func(i int) float64{
		"zero":     func(int) float64 { return 0 },
		"same":     func(int) float64 { return 1 },
		"some":     func(i int) float64 { return float64(i % 2) },
		"negative": func(i int) float64 { return float64(1 - i%3) },
		"tiny":     func(i int) float64 { return 1e-9 * float64(i) },
		"huge":     func(i int) float64 { return 1e18 * float64(i%5) },
	} {
		for _, peers := range [][]string{{"gosmr"}, {"other"}, {"gosmr", "other", "third"}} {
			for _, few := range []bool{true, false} {
				t.Run(fmt.Sprint(name, len(peers), peers[0], few), func(t *testing.T) {
					r := &run.Run{Reps: 1}
					for _, f := range family.All {
						params, procs := f.Full, []int{1, 2, 8}
						if few {
							params, procs = f.Quick, []int{2}
						}
						if f.Param == "" {
							params = []int{0}
						}
						for _, m := range f.Metrics {
							for _, param := range params {
								for _, n := range procs {
									for _, p := range peers {
										r.Samples = append(r.Samples, run.Sample{Family: f.Name, Param: param, Procs: n, Peer: p, Metric: m.Name, Value: value(len(r.Samples))})
									}
								}
							}
						}
					}
					dir, page := written(t, r)
					require.NotContains(t, page, "NaN")
					require.NotContains(t, page, "medians of")
					there, err := filepath.Glob(filepath.Join(dir, "*.svg"))
					require.NoError(t, err)
					for _, file := range there {
						texts(t, file)
					}
				})
			}
		}
	}
}

// Peers that have not all settings, or not all metrics.
func TestWrite_Holes(t *testing.T) {
	r := testRun()
	var kept []run.Sample
	for i, s := range r.Samples {
		if i%7 < 3 && s.Peer != "gosmr-pin" || s.Family == family.Floors {
			continue
		}
		kept = append(kept, s)
	}
	r.Samples = kept
	_, page := written(t, r)
	require.NotContains(t, page, "empty-loop")
}

// An empty section is not compared with a load.
func TestWrite_Instructions(t *testing.T) {
	r := new(run.Run)
	for _, s := range []struct {
		peer, operation string
		value           float64
	}{
		{"empty-loop", "section", 3}, {"gosmr-reader", "section", 49}, {"sync.RWMutex", "section", 17}, {"liburcu-memb", "section", 25},
		{"gosmr-reader", "load", 60}, {"atomic.Pointer", "load", 5}, {"liburcu-memb", "load", 27},
		{"gosmr-map", "map", 107},
	} {
		r.Samples = append(r.Samples, run.Sample{Family: family.Instructions, Procs: 1, Peer: s.peer, Metric: s.operation, Value: s.value})
	}
	_, page := written(t, r)
	for _, want := range []string{
		"| an empty section | gosmr-reader<br>49.0 instructions | sync.RWMutex<br>17.0 instructions | **2.88** | liburcu-memb<br>25.0 instructions | **1.96** | – | – |\n",
		"(#instructions-of-an-operation), a section and one load: **12.0**, 60.0 instructions to 5.00 instructions of atomic.Pointer\n",
		"(#instructions-of-an-operation), a section and one load: **2.22**, 60.0 instructions to 27.0 instructions of liburcu-memb\n",
		"| gosmr-map | 107 instructions | – |\n",
	} {
		require.True(t, strings.Contains(page, want), want)
	}
}

func TestLosses_AtMostListed(t *testing.T) {
	r := new(run.Run)
	for _, f := range family.All {
		for i, m := range f.Metrics {
			good, bad := 1.0, 1.2+float64(i)
			if m.Higher {
				good, bad = bad, good
			}
			r.Samples = append(r.Samples,
				run.Sample{Family: f.Name, Procs: 1, Peer: "gosmr", Metric: m.Name, Value: bad},
				run.Sample{Family: f.Name, Procs: 1, Peer: "other", Metric: m.Name, Value: good})
		}
	}
	_, page := written(t, r)
	_, list, ok := strings.Cut(page, "## Where this library loses")
	require.True(t, ok)
	list, _, _ = strings.Cut(list, "\n## ")
	require.Equal(t, listed, strings.Count(list, "\n- "))
	require.Regexp(t, `\nAnd in \d+ more;`, list)
	require.Contains(t, strings.SplitN(list, "\n- ", 3)[1], "**8.20**", "the worst is the first")
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "ns", "0 ns"}, {0.9234, "ns", "0.923 ns"}, {0.0123, "ns", "0.0123 ns"}, {1, "ns", "1.00 ns"}, {12.34, "ns", "12.3 ns"},
		{999.4, "ns", "999 ns"}, {999.6, "ns", "1.00 µs"}, {123456, "ns", "123 µs"}, {1.5e6, "ns", "1.50 ms"}, {2e9, "ns", "2.00 s"}, {4e12, "ns", "4,000 s"},
		{9.999, "ns", "10.0 ns"}, {-1234, "ns", "-1.23 µs"},
		{100, "B", "100 B"}, {1023, "B", "1,023 B"}, {1024, "B", "1.00 KiB"}, {3 << 20, "B", "3.00 MiB"},
		{900, "1/s", "900/s"}, {1234, "1/s", "1.23 k/s"}, {2.5e6, "1/s", "2.50 M/s"},
		{5, "apples", "5.00 apples"},
	} {
		require.Equal(t, c.want, value(c.v, c.unit), "%v %s", c.v, c.unit)
	}
	require.Equal(t, "1.20 µs [0.900–3.00]", Stat{900, 1200, 3000, 3}.value("ns"))
	require.Equal(t, "1.20 µs", Stat{1200, 1200, 1200, 1}.value("ns"))
}

// The ticks end, whatever the values.
func TestAxis_Extremes(t *testing.T) {
	for _, v := range [][]float64{{0}, {math.SmallestNonzeroFloat64}, {math.MaxFloat64}, {math.SmallestNonzeroFloat64, math.MaxFloat64}, {-math.MaxFloat64, 1}} {
		for _, unit := range []string{"ns", "B"} {
			for _, log := range []bool{false, true} {
				require.LessOrEqual(t, len(newAxis(v, log, unit, 0, 100).ticks), many)
			}
		}
	}
	a := newAxis([]float64{1, 100}, true, "ns", 0, 100)
	require.Equal(t, []float64{1, 2, 3, 5, 10, 20, 30, 50, 100}, a.ticks)
	require.InDelta(t, 50, a.at(10), 1e-9)
	require.InDelta(t, 0, a.at(0), 1e-9, "at the end")
	a = newAxis([]float64{3000}, false, "B", 0, 100)
	require.Equal(t, []float64{0, 512, 1024, 1536, 2048, 2560}, a.ticks[:6])
}

// Zero has its place beside a logarithmic axis.
func TestPositions(t *testing.T) {
	p := newPositions([]int{0, 1, 10, 100}, true, 0, 100)
	require.True(t, p.broken)
	require.Zero(t, p.at(0))
	require.InDelta(t, 100, p.at(100), 1e-9)
	require.InDelta(t, p.at(10)-p.at(1), p.at(100)-p.at(10), 1e-9)
	require.Greater(t, p.at(1)-p.at(0), 10.)
	require.False(t, newPositions([]int{0, 5, 10}, false, 0, 100).broken)
	require.InDelta(t, 50, newPositions([]int{0, 5, 10}, false, 0, 100).at(5), 1e-9)
}

// Labels keep their distance and their order, and stay inside.
func TestPlace(t *testing.T) {
	for _, wants := range [][]float64{
		{50}, {0, 1, 2, 3}, {100, 100, 100, 100}, {10, 12, 50, 52, 54, 99}, {70, 10, 70, 20, 18, 71},
	} {
		labels := make([]label, len(wants))
		for i, w := range wants {
			labels[i].want = w
		}
		place(labels, 16, 0, 100)
		for i, l := range labels {
			require.GreaterOrEqual(t, l.at, -1e-9)
			require.LessOrEqual(t, l.at, 100+1e-9)
			if i > 0 {
				require.GreaterOrEqual(t, l.at-labels[i-1].at, 16-1e-9)
				require.GreaterOrEqual(t, l.want, labels[i-1].want)
			}
		}
	}
}

// Peers of a family look different, as far as there are looks.
func TestLooks(t *testing.T) {
	r := new(run.Run)
	for _, p := range []string{
		"gosmr-section", "gosmr-pin", "gosmr-reader", "gosmr-quiescent", "gosmr-portable", "sync.RWMutex", "sync.Mutex", "xsync-v3", "xsync-v4",
		"atomic.Pointer", "refcount", "liburcu-memb", "liburcu-qsbr", "liburcu-bp", "liburcu-mb", "ck-epoch", "crossbeam-epoch", "rust-rwlock",
	} {
		r.Samples = append(r.Samples, run.Sample{Family: "section", Peer: p, Metric: "ns", Value: 1})
	}
	table := NewTable(r)
	looks := looksOf(table)
	require.Len(t, looks, 18)
	seen := make(map[look]string)
	for peer, l := range looks {
		require.Equal(t, isOurs(peer), l.ours)
		l.marker = 0
		require.Empty(t, seen[l], peer)
		seen[l] = peer
	}
}
