// Package smrvet finds mistakes in the use of package smr and its containers before a program runs:
// what was borrowed in a section and is used after it, sections that are not left, what blocks or waits
// where it must not, objects that are freed twice.
//
// Run it by itself or by go vet, on tests as well as on the rest:
//
//	go get -tool github.com/gosmr/gosmr/smrvet/cmd/smrvet
//	go tool smrvet ./...
//	go vet -vettool=$(go tool -n smrvet) ./...       # faster: it keeps results
//
// doc/README.md says how to run it in CI, in golangci-lint and in editors; doc has a page for each
// rule.
//
// # What is reported
//
// By default only what is certain as far as the function goes: on each way to a use the section was
// left; all that is stored in a variable is borrowed. Where something else may protect the object (a
// lock, a hold, another section, a compare-and-swap that made it the function's own), nothing is said.
// With -strict the rest is reported: what is wrong on some way, or unless another function helps.
//
// # How it works
//
// A package is analyzed in SSA form (golang.org/x/tools/go/ssa), one function after another, with the
// function literals in it. A span (span.go) is a section, a hold or the like, from where it is opened;
// a data flow over the blocks says at each place whether it may be open or ended. A loan (borrow.go) is
// where something borrowed comes from; a value is traced back through fields, slices, conversions,
// local variables and calls to its loans, and counts as borrowed only if each way back ends at one.
//
// Functions are not expanded. A Summary (summary.go) says what a function does to its arguments: opens,
// ends or keeps a section, returns a part of an argument, reads what it points to, frees it, waits,
// blocks, calls an argument with something borrowed. It is inferred from the body, callees first, and
// is a fact for the packages that import this one. The functions of the library have theirs in a table
// (api.go).
//
// # Directives
//
// Where inference ends, at methods of interfaces and functions that are values, the doc comment of the
// function states what it does:
//
//	//smr:borrows s      the first result is borrowed until section s is left, or is a part of s
//	//smr:holds s        the function keeps s, or ends it: its caller need not
//
// A report is silenced on its line, or alone on the line before it, with a reason. One without a reason,
// or that silences nothing, is reported:
//
//	dom.Enter() //smr:ok the process ends here
//
// # What it does not see
//
// Sections that reach a function by way of a field or a channel; what an object leads to by its own
// pointers and strings, which may well be the collector's; function values; other goroutines, but for
// those that are started in sight. Run tests with -race and with -tags invariants as well.
//
// Ideas: lostcancel's ways to a return, bodyclose's and checklocks' facts, and the loans of Polonius and
// Clang's lifetime analysis.
package smrvet
