package count

import (
	"testing"
)

// Reads store to nothing that other readers touch. A section stores to the record of its processor, or of
// its Reader, and to the count by which the runtime pins a thread, which is that thread's; a quiescent
// section and Map.Load store nothing. Beside them a lock, whose line travels to the next reader.
//
// That records have cache lines of their own is tested in clock.
func TestStores_OfReads(t *testing.T) {
	needValgrind(t)
	program := build(t, "go", "build", "-o", "BIN", "../../counted")
	const record, pin = 3, 2
	for path, want := range map[string]Writes{
		"gosmr-section+load":     {record + pin, 2},
		"gosmr-reader+load":      {record, 1},
		"gosmr-quiescent+load":   {0, 0},
		"gosmr-map+map":          {0, 0},
		"gosmr-bytes-lent+bytes": {record, 1}, // in a Reader's section
		"gosmr+call":             {8 + pin, 3},
		"sync.RWMutex+load":      {2, 1},
	} {
		got, err := Stores(t.Context(), program, "stores", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.2f stores, %d lines", path, got.Stores, got.Lines)
		// The monitor's thread may store a little meanwhile.
		if got.Stores < want.Stores || got.Stores > want.Stores+0.5 || got.Lines != want.Lines {
			t.Errorf("%s: %+v, and should be %+v", path, got, want)
		}
	}
}
