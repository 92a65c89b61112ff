module github.com/gosmr/gosmr/examples

go 1.25.0

require (
	github.com/gosmr/gosmr v0.0.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
	golang.org/x/sync v0.21.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.46.0 // indirect
)

replace github.com/gosmr/gosmr => ../
