// Package gclplugin makes the analyzers of package smrvet a linter of golangci-lint, as a module plugin:
// see doc/README.md.
package gclplugin

import (
	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/gosmr/gosmr/smrvet"
)

func init() { register.Plugin("smrvet", New) }

// Settings are what .golangci.yml may set.
type Settings struct {
	Strict bool `json:"strict"` // report what may be a mistake, too
}

// New returns the linter.
func New(settings any) (register.LinterPlugin, error) {
	s, err := register.DecodeSettings[Settings](settings)
	if err != nil {
		return nil, err
	}
	smrvet.Strict = s.Strict
	return plugin{}, nil
}

type plugin struct{}

func (plugin) BuildAnalyzers() ([]*analysis.Analyzer, error) { return smrvet.Analyzers, nil }

func (plugin) GetLoadMode() string { return register.LoadModeTypesInfo }
