module github.com/gosmr/gosmr/bench

go 1.25.0

require (
	github.com/gosmr/gosmr v0.0.0
	github.com/puzpuzpuz/xsync/v3 v3.5.1
	github.com/puzpuzpuz/xsync/v4 v4.5.0
)

require golang.org/x/sys v0.46.0 // indirect

replace github.com/gosmr/gosmr => ../
