package pcpu

// On amd64 the second-level prefetcher fetches lines in aligned pairs, so a
// neighbour's writes would steal the other half of the pair.
const linesFetchedTogether = 2
