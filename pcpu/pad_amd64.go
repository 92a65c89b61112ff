package pcpu

// On amd64 the second-level prefetcher fetches lines in aligned pairs: a store to one line takes
// the other away too.
const linesFetchedTogether = 2
