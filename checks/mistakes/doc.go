// Package mistakes makes 52 mistakes that users of this library make, each in a program of its own,
// and says what finds each of them: in a plain build, under the race detector, and with -tags
// invariants. Its table is docs/mistakes.md.
package mistakes
