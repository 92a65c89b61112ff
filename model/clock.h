/*
 * The clock's words, its readers and its pollers, as clock.pml and deferred.pml have
 * them. Processors are x86-TSO: each has a store buffer, a queue that reaches memory in
 * its own time, and a processor's loads see its own buffer. A locked instruction drains
 * the buffer of the processor that executes it; membarrier drains all of them, one by
 * one and in a fixed order.
 *
 *   Record.claim, Record.Leave, Record.Quiesce    reader
 *   Record.EnterOr, Record.TrySlow                the same, with OWNED
 *   Clock.heavyFence, Record.fence                heavy_fence, and FENCED in reader
 *   Clock.snapshot, look, position, raise         scan
 *   Clock.Poll                                    poll
 *
 * Moments are counted modulo RANGE, and compared as in Seq.Before. There are fewer
 * advances than half of that, so that a delayed reader is never behind by so much that
 * its word looks like a new one. They start so that they wrap.
 *
 * One reader's stores all go to its record, so its buffer holds words of it only. One
 * writer's only store that is not a locked instruction is its unlinking.
 */

#ifndef R
#define R 1		/* readers */
#endif
#ifndef SECTIONS
#define SECTIONS 2	/* of reader 0; the other has one */
#endif
#ifndef DEPTH
#define DEPTH 2		/* of a reader's store buffer */
#endif
#define W 2		/* writers, each with an object of its own */

#define RANGE 8
#define START 7
#define IDLE  RANGE	/* no moment: the record of a reader outside its sections */
#define SINCE(a, b)  (((a) - (b)) & (RANGE - 1))
#define NEXT(a)      (((a) + 1) & (RANGE - 1))
#ifdef PLAIN_COMPARE
#define BEFORE(a, b) ((a) < (b))
#else
#define BEFORE(a, b) (SINCE(a, b) >= RANGE / 2)
#endif

byte wr = START, rd = START;
byte rec[R] = IDLE;			/* the records, in memory */
chan stores[R] = [DEPTH] of { byte };	/* and what is on its way to them */

bool linked[W] = true;		/* readers find the object, */
bool unlinking[W];		/* the writer's store of the contrary is in its buffer */
bool freed[W];

#define NOTHING W
byte holds[R] = NOTHING;	/* the object that a reader's section has found */
byte left;			/* readers that have nothing left to do */

/* What the store buffers hold reaches memory. */
active proctype hardware() {
	byte v;
end:	do
	:: atomic { stores[0]?v -> rec[0] = v; v = 0 }
#if R > 1
	:: atomic { stores[1]?v -> rec[1] = v; v = 0 }
#endif
	:: atomic { unlinking[0] -> unlinking[0] = false; linked[0] = false }
	:: atomic { unlinking[1] -> unlinking[1] = false; linked[1] = false }
	od
}

inline drain_writer(w) {
	if
	:: unlinking[w] -> unlinking[w] = false; linked[w] = false
	:: else
	fi
}

inline drain_reader(r) {
	do
	:: stores[r]?v -> rec[r] = v
	:: empty(stores[r]) -> break
	od;
	v = 0
}

proctype reader(byte r; byte sections) {
	byte word, n;
#ifdef OWNED
	byte last = START;
enter:	stores[r]!last;
	if
	:: wr == last
	:: else ->
		last = wr;	/* and here it may be delayed for long */
		stores[r]!last
	fi;
#else
enter:	word = wr;		/* and here it may be delayed for long */
	stores[r]!word;
	word = 0;
#endif
#if defined(FENCED) && !defined(NO_LIGHT_FENCE)
	empty(stores[r]);
#endif
	/* The first load of a protected pointer, one of the two or none. */
	atomic {
		if
		:: linked[0] -> holds[r] = 0
		:: linked[1] -> holds[r] = 1
		:: true
		fi;
		assert(holds[r] == NOTHING || !freed[holds[r]])	/* a reader finds no freed object */
	};
	atomic {
		n++;
		if
		:: n < sections -> holds[r] = NOTHING; goto enter	/* Quiesce: not idle between */
		:: nfull(stores[r]) ->
			holds[r] = NOTHING;
			stores[r]!IDLE;
			if
			:: n < sections -> goto enter
			:: else -> n = 0
			fi
		fi
	};
	(empty(stores[r]));
	left++
}

inline heavy_fence() {
#if !defined(FENCED) && !defined(NO_HEAVY_FENCE)
	atomic { drain_reader(0) };
#if R > 1
	atomic { drain_reader(1) };
#endif
	atomic { drain_writer(0); drain_writer(1) }
#else
	skip
#endif
}

/* Clock.position: one record, in the light of the snapshot. Its second look at wr is in
 * the same step: a later one believes more only of a word that is behind by the whole
 * range. */
inline look(r) {
	atomic {
		at = rec[r];
		if
		:: at == IDLE -> at = candidate	/* holds back nothing */
		:: at != IDLE && SINCE(at, since) <= SINCE(latest, since)
		:: else ->
#if defined(STALE_IS_IDLE)
			at = candidate
#elif defined(STALE_LOOKS_NEW)
			if
			:: SINCE(at, since) < RANGE / 2 -> at = latest
			:: else -> at = since
			fi
#else
			if
			:: SINCE(at, since) <= SINCE(wr, since) -> at = latest
			:: else -> at = since
			fi
#endif
		fi;
		if
		:: BEFORE(at, candidate) -> candidate = at
		:: else
		fi;
		at = 0
	}
}

inline scan() {
	since = rd;
#ifdef FENCE_BEFORE_WR
	heavy_fence();
	latest = wr;
#else
	latest = wr;
	heavy_fence();
#endif
	candidate = latest;
	look(0);
#if R > 1
	look(1);
#endif
#ifdef LATE_CANDIDATE
	if
	:: candidate == latest -> candidate = wr
	:: else
	fi;
#endif
	/* Clock.raise */
	do
	:: atomic {
		seen = rd;
#ifndef RD_GOES_BACK
		if
		:: !BEFORE(seen, candidate) -> break
		:: else
		fi
#endif
	   };
	   atomic {
		if
		:: rd == seen ->
			assert(SINCE(candidate, rd) < RANGE / 2);	/* rd moves forward, */
			assert(SINCE(wr, candidate) < RANGE / 2);	/* and not past wr */
			rd = candidate;
			break
		:: else
		fi
	   }
	od;
	atomic { since = 0; latest = 0; candidate = 0; seen = 0 }
}

/* Clock.Poll, without its look whether the goal was issued. */
inline poll(goal) {
	if
	:: !BEFORE(rd, goal) -> reached = true
	:: else ->
		if
		:: BEFORE(wr, goal) ->
#ifdef UNCOMMITTED_GOAL
			reached = true
#else
			reached = false
#endif
		:: else ->
			scan();
			reached = !BEFORE(rd, goal)
		fi
	fi
}

inline free(w) {
	atomic {
		assert(holds[0] != w);		/* nobody holds what is freed */
#if R > 1
		assert(holds[1] != w);
#endif
		freed[w] = true
	}
}
