package gclplugin

import (
	"testing"

	"github.com/golangci/plugin-module-register/register"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smrvet"
)

func TestPlugin(t *testing.T) {
	defer func() { smrvet.Strict = false }()
	create, err := register.GetPlugin("smrvet")
	require.NoError(t, err)
	p, err := create(map[string]any{"strict": true})
	require.NoError(t, err)
	require.True(t, smrvet.Strict)
	analyzers, err := p.BuildAnalyzers()
	require.NoError(t, err)
	require.Equal(t, smrvet.Analyzers, analyzers)
	_, err = create(map[string]any{"strikt": true})
	require.Error(t, err, "a setting that there is not")
}
