//go:build smr_portable

package main

const portable = true

const self = "gosmr-portable"
