// This file is empty. Its presence lets the package declare the functions
// without a body that pin_linkname.go links to the runtime.
