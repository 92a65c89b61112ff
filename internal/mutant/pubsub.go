package mutant

// pubsubBugs are those of the service's publish and subscribe.
var pubsubBugs = []Bug{
	{
		Name:    "subscription-freed-early",
		Why:     "a publisher walks on from a subscription that is used again, or finds no inbox in it",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestPubSub_ExactWhileSubscribersComeAndGo",
		Race:    true,
		Patch: `
@ cmd/smrkv/internal/server/topic.go
-	smr.Call(m.Domain(), r, subscriptionSize, reclaimSubscription)
+	reclaimSubscription(r)
`,
	},
	{
		Name:    "topic-freed-early",
		Why:     "a publisher that has found a topic walks the subscribers of another that it was made into",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestTopic_NotUsedAgainWhilePublishing",
		Patch: `
@ cmd/smrkv/internal/server/topic.go
-		smr.Call(m.Domain(), last, topicSize, reclaimTopic)
+		reclaimTopic(last)
`,
	},
	{
		Name:    "message-after-unsubscribe",
		Why:     "a publisher finds the subscription open, and pushes after the connection has taken what there is: the inbox is empty as it was",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestInbox_LeaveBetweenOpenAndPush",
		Patch: `
@ cmd/smrkv/internal/server/inbox.go
 func (b *inbox) leave() (first *delivery) {
-	b.empty = new(delivery)
`,
	},
	{
		Name:    "unsubscribed-not-over",
		Why:     "a publisher whose walk has reached the subscription gives it a message after the reply to UNSUBSCRIBE",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestPubSub_ExactWhileSubscribersComeAndGo",
		Race:    true,
		Patch: `
@ cmd/smrkv/internal/server/pubsub.go
-	r.over.Store(true)
`,
	},
	{
		Name:    "wake-lost",
		Why:     "a connection comes back to its loop, which has dropped the wake that came before, and nobody wakes it again",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestPubSub_WokenWhileItWaits/loops",
		Patch: `
@ cmd/smrkv/internal/server/loop_linux.go
-			l.wakeLocked(t)
 		}
`,
	},
	{
		Name:    "woken-while-lent",
		Why:     "a connection whose goroutine waits for the client is served by the loop as well",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestPubSub_WokenWhileItWaits/loops",
		Patch: `
@ cmd/smrkv/internal/server/loop_linux.go
-		if l.conns[int32(t.fd)] == t && !t.lent && !t.due {
+		if l.conns[int32(t.fd)] == t && !t.due {
`,
	},
	{
		Name:    "slow-subscriber-unbounded",
		Why:     "what a client does not read is kept, however much it is",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestPubSub_SlowSubscriber/(hard|soft)",
		Patch: `
@ cmd/smrkv/internal/server/inbox.go
 func (b *inbox) exceeds(limit *outputLimit, n int64) bool {
+	if true {
+		return false
+	}
`,
	},
	{
		Name:    "slow-subscriber-forgotten",
		Why:     "a client that reads nothing keeps what it has been sent, as long as nothing more is",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestPubSub_SlowSubscriberIsWatched/loops",
		Patch: `
@ cmd/smrkv/internal/server/inbox.go
-			o |= toWatch
+			o |= refused
`,
	},
	{
		Name:    "slow-subscriber-free",
		Why:     "what a client does not read does not count in maxmemory-clients",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestPubSub_SlowSubscriber/maxmemory-clients",
		Patch: `
@ cmd/smrkv/internal/server/inbox.go
-		if h.bytes/chargedStep != d.bytes/chargedStep {
+		if false {
`,
	},
	{
		Name:    "leaves-in-loop",
		Why:     "a connection that leaves a hundred thousand topics holds up all others of its loop",
		Package: "./cmd/smrkv/internal/server",
		Test:    "TestGate_LeavesMany",
		Patch: `
@ cmd/smrkv/internal/server/pubsub.go
-	if n > manyWords {
+	if n > manyWords && false {
`,
	},
}
