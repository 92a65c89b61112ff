module example.com/vet

go 1.25.0

require github.com/gosmr/gosmr v0.0.0

require golang.org/x/sys v0.46.0 // indirect

replace github.com/gosmr/gosmr => ../../
