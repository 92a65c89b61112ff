package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/server"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/units"
)

// A config is what the flags say.
type config struct {
	addr     string
	tlsAddr  string
	tls      *tlsFiles
	unix     string
	unixPerm os.FileMode
	metrics  string
	logLevel slog.Level
	options  server.Options
}

// parseFlags parses the command line. Errors have been written to stderr.
func parseFlags(args []string, stderr io.Writer) (config, error) {
	cfg := config{tls: new(tlsFiles), unixPerm: private}
	o := &cfg.options
	flags := flag.NewFlagSet("smrkv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "smrkv is a key-value server that speaks the protocol of Redis.\n\nusage: smrkv [flags]\n\n")
		flags.PrintDefaults()
	}
	flags.StringVar(&cfg.addr, "addr", "127.0.0.1:6380", "`host:port` to listen on; empty: don't")
	flags.StringVar(&cfg.unix, "unix", "", "`path` of a unix socket to listen on as well")
	flags.Func("unixsocketperm", "`mode` of the unix socket, in octal: who may connect (default 600)", func(s string) error {
		mode, err := strconv.ParseUint(s, 8, 9)
		cfg.unixPerm = os.FileMode(mode)
		return err
	})
	flags.StringVar(&cfg.tlsAddr, "tls-port", "", "`port`, or host:port, to speak TLS on; the host is that of -addr if it is not given")
	flags.StringVar(&cfg.tls.cert, "tls-cert", "", "`file` with the certificate, and those between it and its authority; read again on SIGHUP")
	flags.StringVar(&cfg.tls.key, "tls-key", "", "`file` with the certificate's key")
	flags.StringVar(&cfg.tls.ca, "tls-ca", "", "`file` with the authorities of clients' certificates, which are required then")
	flags.StringVar(&cfg.metrics, "metrics", "", "`host:port` to serve /metrics, /healthz and /debug/pprof on; empty: don't")
	flags.Func("maxmemory", "`bytes` that the store may take, such as 256MiB or 1gb; 0: no limit (default 0)", parsed(&o.MaxMemory, units.ParseBytes))
	flags.Func("maxmemory-policy", "what to do when a write does not fit: `noeviction`, answer with an error; allkeys-clock, evict keys that were not read lately; or volatile-clock, evict such keys that expire; the names of Redis's policies mean one of these (default noeviction)", parsed(&o.Policy, server.ParsePolicy))
	flags.Func("maxmemory-clients", "`bytes` that all connections together may hold for what clients have sent and do not read, or a part of maxmemory such as 10%; beyond it the largest clients are disconnected (default maxmemory, within 128mb and 1gb)", parsed(&o.MaxClientMemory, server.ParseClientMemory))
	flags.IntVar(&o.Databases, "databases", 16, "how many `databases` there are for SELECT")
	flags.Func("notify-keyspace-events", "`classes` of keyspace events to publish, such as KEA (default none)", parsed(&o.Events, server.ParseEvents))
	flags.StringVar(&o.RequirePass, "requirepass", "", "`password` that clients must give with AUTH")
	protected := flags.Bool("protected-mode", true, "without a password, refuse clients from other hosts")
	flags.IntVar(&o.MaxClients, "maxclients", 10_000, "how many `clients` may be connected")
	flags.Func("timeout", "close connections that are silent for so many `seconds`, or a duration such as 5m; 0: never (default 0)", parsed(&o.Timeout, parseTimeout))
	flags.DurationVar(&o.WriteTimeout, "write-timeout", time.Minute, "close connections that don't read 256 KiB of a reply, or its end, for so long; or whose TLS handshake takes longer")
	cluster := flags.String("cluster", "", "`file` of lines as CLUSTER NODES has them: which servers have a part of the keys, this one among them")
	announce := flags.String("cluster-announce", "", "`host:port` of this server in that file (default -addr)")
	flags.IntVar(&o.IOThreads, "io-threads", 0, "event loops that serve the connections; 0: half as many as processors (Linux only)")
	flags.TextVar(&cfg.logLevel, "loglevel", slog.LevelInfo, "`level` of what is logged: debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	err := cfg.check(flags)
	if err == nil && *cluster != "" {
		o.Cluster, err = readCluster(*cluster, cmp.Or(*announce, cfg.addr, cfg.tlsAddr))
	}
	if err != nil {
		fmt.Fprintf(stderr, "smrkv: %v\n", err)
		return cfg, err
	}
	o.Unprotected = !*protected
	return cfg, nil
}

func (cfg *config) check(flags *flag.FlagSet) error {
	o := &cfg.options
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case cfg.addr == "" && cfg.unix == "" && cfg.tlsAddr == "":
		return fmt.Errorf("-addr, -tls-port and -unix are empty: there is nothing to listen on")
	case cfg.tlsAddr != "" && (cfg.tls.cert == "" || cfg.tls.key == ""):
		return fmt.Errorf("-tls-port needs -tls-cert and -tls-key")
	case cfg.tlsAddr == "" && cfg.tls.cert+cfg.tls.key+cfg.tls.ca != "":
		return fmt.Errorf("-tls-cert, -tls-key and -tls-ca are for -tls-port, which is not given")
	case o.Databases < 1:
		return fmt.Errorf("-databases is %d; it must be 1 at least", o.Databases)
	case o.MaxClients < 1:
		return fmt.Errorf("-maxclients is %d; it must be 1 at least", o.MaxClients)
	case o.IOThreads < 0:
		return fmt.Errorf("-io-threads is %d; it must not be negative", o.IOThreads)
	case o.WriteTimeout <= 0:
		return fmt.Errorf("-write-timeout is %v; it must be positive", o.WriteTimeout)
	}
	return nil
}

func readCluster(file, self string) (*server.Cluster, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-cluster: %w", err)
	}
	cl, err := server.ParseCluster(string(text), self)
	if err != nil {
		return nil, fmt.Errorf("-cluster %s: %w", file, err)
	}
	return cl, nil
}

// parsed returns what sets a flag to the value that parse makes of its text.
func parsed[T any](p *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err == nil {
			*p = v
		}
		return err
	}
}

// parseTimeout takes seconds, as Redis does, or what time.ParseDuration takes.
func parseTimeout(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		d, err = time.ParseDuration(s + "s")
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("not a time: %q (such as 300 or 5m)", s)
	case d < 0:
		return 0, fmt.Errorf("negative: %v", d)
	}
	return d, nil
}
