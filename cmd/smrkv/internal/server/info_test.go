package server

import (
	"regexp"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// INFO has what exporters read of Redis: each command with its time and its failures, errors
// by their first word, and sections that say that nothing is saved or replicated.
func TestInfo(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	for _, command := range [][]string{{"SET", "a", "x"}, {"INCR", "a"}, {"INCR"}, {"INCR", "n"}, {"nosuch"}, {"KEYS", "*"},
		{"AUTH", "default", "x"}, {"EXEC"}, {"MULTI"}, {"INCR"}, {"EXEC"}, {"MULTI"}, {"INCR", "a"}, {"EXEC"}} {
		c.do(command...)
	}
	info := c.do("INFO", "everything")
	for _, line := range []string{
		`cmdstat_set:calls=1,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=0`,
		`cmdstat_incr:calls=3,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=2,failed_calls=2`,
		`cmdstat_exec:calls=3,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=2`,
		`errorstat_ERR:count=6`,
		`errorstat_EXECABORT:count=1`,
		`role:master`, `connected_slaves:0`, `loading:0`, `rdb_bgsave_in_progress:0`, `aof_enabled:0`, `cluster_enabled:0`,
		`blocked_clients:0`, `db0:keys=2,expires=0,avg_ttl=0`,
	} {
		require.Regexp(t, regexp.MustCompile(`\r\n`+line+`\r\n`), info)
	}
	if _, _, ok := cpuTime(); ok {
		require.Regexp(t, regexp.MustCompile(`\r\nused_cpu_sys:\d+\.\d+\r\nused_cpu_user:\d+\.\d+\r\n`), info)
	}
	require.Contains(t, c.do("INFO"), "# Errorstats")
	require.NotContains(t, c.do("INFO"), "# Commandstats")

	c.do("CONFIG", "RESETSTAT")
	info = c.do("INFO", "commandstats", "errorstats")
	require.NotContains(t, info, "incr")
	require.NotContains(t, info, "errorstat_")
}

// Of fast commands one in so many is timed, and counts as all of them.
func TestInfo_Sampled(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	c.pipeline(timeEvery*10, "$-1\r\n", func(int) []string { return []string{"GET", "none"} })
	st := &s.stats.commandsOf[s.commands.lookup([]byte("get")).id]
	require.Zero(t, st.nanos.Load()%timeEvery)
	if runtime.GOOS == "linux" { // elsewhere the clock may be coarse
		require.Positive(t, st.nanos.Load())
	}
}
