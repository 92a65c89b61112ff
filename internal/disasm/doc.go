// Package disasm tests what the compiler makes of the hot paths: which instructions there are, in
// which order, and that none is locked. Package relacq says what relies on that.
package disasm
