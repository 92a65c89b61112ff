package smrfile

// Advice is what the system is told about how a part of a file will be read. On some systems it is
// ignored.
type Advice int

const (
	Normal     Advice = iota
	Random            // do not read ahead
	Sequential        // read ahead much
	WillNeed          // read now, without waiting
	DontNeed          // what was read may be dropped; it is read again if it is needed
)

// Advise gives advice for n bytes from off, whole pages, of the present mapping. A Grow to other
// addresses forgets it, and gives Options.Advice to the new mapping.
func (f *File) Advise(off int64, n int, a Advice) error {
	h, err := f.held("advise")
	if err != nil {
		return err
	}
	defer h.Release()
	m := h.Get()
	if err := f.outOf(m, "advise", off, n); err != nil {
		return err
	}
	if m.sp.memory || n == 0 {
		return nil
	}
	first := int(off) &^ (pageSize - 1)
	if err := advise(m.sp.mem[first:int(off)+n], a); err != nil {
		return f.fail("advise", err)
	}
	return nil
}
