package pages

// probed is the size from which on Probe asks the system. What is smaller comes from
// memory that the Go runtime has, or the process is at its end anyway.
const probed = 4 << 20
