package mutant

// smrkvBugs are those of the service.
var smrkvBugs = []Bug{
	{
		Name:    "exec-not-alone",
		Why:     "commands of others run between those of a transaction",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestExec_NeverTorn",
		Patch: `
@ cmd/smrkv/internal/server/gate.go
 func (g *gate) lock(mayBlock func()) {
+	return
@
 func (g *gate) unlock() {
+	return
`,
	},
	{
		Name:    "watch-beside-writers",
		Why:     "a command finds nothing watched, and writes after WATCH has returned",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestWatch_WaitsForWriters",
		Patch: `
@ cmd/smrkv/internal/server/gate.go
 func (g *gate) pass(mayBlock func()) {
+	return
`,
	},
	{
		Name:    "eviction-in-exec",
		Why:     "a key that one command of a transaction has seen is evicted before the next",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestGate_BackgroundWaits",
		Patch: `
@ cmd/smrkv/internal/server/gate.go
 func (s *Server) background(fn func()) {
+	if true {
+		fn()
+		return
+	}
@
 func (s *Server) tryBackground(fn func()) (done bool) {
+	if true {
+		fn()
+		return true
+	}
`,
	},
	{
		Name:    "bitop-beside-writers",
		Why:     "a bit that is set after BITOP has read its destination is overwritten",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestBitOp_LosesNoBit",
		Patch: `
@ cmd/smrkv/internal/server/bitop.go
-	c.alone(func() { c.bitOp(op, to, from) })
+	c.bitOp(op, to, from)
`,
	},
	{
		Name:    "two-keys-beside-others",
		Why:     "a command on two keys sees one before what another writes, and the other after it",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestExec_Linearizable",
		Patch: `
@ cmd/smrkv/internal/server/gate.go
 func (c *conn) alone(fn func()) {
+	if c.tx == nil {
+		fn()
+		return
+	}
`,
	},
	{
		Name:    "exec-looks-before-it-is-alone",
		Why:     "what is written to a watched key while EXEC waits to be alone is not seen",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestExec_Linearizable",
		Patch: `
@ cmd/smrkv/internal/server/watch.go
-	if c.watch.dirty.Load() {
-		return true
-	}
`,
	},
	{
		Name:    "stored-not-touched",
		Why:     "a transaction whose watched key was overwritten is executed",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestExec_Linearizable",
		Patch: `
@ cmd/smrkv/internal/server/strings.go
-	c.touchIn(d, key)
`,
	},
	{
		Name:    "swapdb-beside-others",
		Why:     "an MGET sees a part of a database, and the rest of that for which it is swapped meanwhile",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestSwapDB_Waits",
		Patch: `
@ cmd/smrkv/internal/server/databases.go
-	c.alone(func() {
+	func(fn func()) { fn() }(func() {
 		c.srv.watches.swapped(a, b)
`,
	},
	{
		Name:    "handshake-for-ever",
		Why:     "a client that stalls in its TLS handshake is never disconnected",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestTLS_StalledHandshake",
		Patch: `
@ cmd/smrkv/internal/server/tls.go
-	nc.SetDeadline(time.Now().Add(t.writeTimeout))
`,
	},
	{
		Name:    "handshake-takes-all-room",
		Why:     "clients that are not known yet may have all of the clients' memory, and others are disconnected for them",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestTLS_ManyHandshakes",
		Patch: `
@ cmd/smrkv/internal/server/tls.go
-	if !t.c.mem.Queries.TrySpare(tlsSize) { // nobody is disconnected for one who is not known yet
+	if !t.c.mem.Queries.Try(tlsSize) {
`,
	},
	{
		Name:    "lent-released-early",
		Why:     "a value that is replaced while it is written to a slow client is freed under the write",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestLarge_SlowClientGetsOldValue",
		Patch: `
@ cmd/smrkv/internal/server/large.go
-	defer h.Release()
@
-	c.bulk(v)
+	h.Release()
+	c.bulk(v)
`,
	},
	{
		Name:    "sent-for-good",
		Why:     "what was written to a client stays held when it is replaced",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestLarge_SlowClientGetsOldValue/deleted|TestLarge_DisconnectedMidReply",
		Patch: `
@ cmd/smrkv/internal/server/large.go
-	defer h.Release()
`,
	},
	{
		Name:    "draft-left",
		Why:     "what has arrived of a value stays when its client goes away",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestLarge_DisconnectedMidSet",
		Patch: `
@ cmd/smrkv/internal/server/large.go
-		c.draft.Discard()
`,
	},
	{
		Name:    "slowlog-reads-stored",
		Why:     "SLOWLOG reads a value that was stored without a copy, and may be freed",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestSlowLog_StoredValueIsNotRead",
		Patch: `
@ cmd/smrkv/internal/server/commandstats.go
-		shown = shortenedArgs(args)
+		_ = args
`,
	},
	{
		Name:    "monitor-reads-stored",
		Why:     "MONITOR shows a value that was stored without a copy, and may be freed",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestSlowLog_StoredValueIsNotRead",
		Patch: `
@ cmd/smrkv/internal/server/commandstats.go
-	words := c.shown(cmd, args)
-	begin := time.Now()
-	cmd.run(c, args)
+	begin := time.Now()
+	cmd.run(c, args)
+	words := c.shown(cmd, args)
`,
	},
	{
		Name:    "spared-unbounded",
		Why:     "clients that are spared hold what they like, whatever the operator allows",
		Package: "./cmd/smrkv/internal/buffer",
		Test:    "TestBudget_Spare",
		Patch: `
@ cmd/smrkv/internal/buffer/budget.go
-			if !c.doomed && c != who && (next == nil || c.precedes(next, 0)) {
+			if !c.doomed && !c.spared && c != who && (next == nil || c.precedes(next, 0)) {
`,
	},
}
