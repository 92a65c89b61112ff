module github.com/gosmr/gosmr

go 1.25.0

require (
	github.com/puzpuzpuz/xsync/v3 v3.5.1
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.46.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
