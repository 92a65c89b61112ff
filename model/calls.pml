/*
 * The handshake of package internal/owned, and both of its users: the open chunk of a
 * processor's deferred calls (package smr), and a processor's cache of objects (package
 * slab). The owner of a slot uses its value; a drain revokes that. What happens to chunks
 * after that is in reclaimer.pml.
 *
 * What is modelled, and where it is in the code:
 *
 *   lock, unlock         Slot.TryLock and Unlock. Stores of busy, and to the value, are plain
 *                        and sit in the processor's store buffer (x86-TSO), with the
 *                        caller's unlinking before them; compare-and-swaps drain it
 *   drain                owned.Revoke: swap, heavy fence, wait until not busy, a step each.
 *                        Around it Domain.drain of smr, under drainMu, and policy.trimMoving
 *                        of slab, under moving: with the goal, and the handing over
 *   caller, of smr       Domain.call, callSlow and callUnslotted: install, append, and
 *                        handOverOpen for a full chunk
 *   caller, of slab      with CACHE: store.retire and retireSlow. A value is a cache's
 *                        magazines, of which this shows the one of retired objects. Its owner
 *                        replaces it when it is full, and hands it over after unlocking
 *   worker               runs what is handed over and gives the chunk back
 *   Close                a drain that leaves the closed chunk behind
 *
 * One processor makes CALLS calls, one after the other; chunks have room for two. Two
 * drains, the reclaimer's and a Barrier's, begin when they like (one, where SHARED); a last
 * one begins when all calls have been made.
 *
 * Properties:
 *
 *   safety     No chunk is handed over twice, and nobody appends to one that is handed
 *              over. Every call runs exactly once. What a chunk's calls had unlinked is
 *              visible when the chunk's goal is taken (that readers have left by the time
 *              the goal is reached is in deferred.pml). Every call that returned before a
 *              drain began is handed over when that ends: by smr, for Barrier. slab promises
 *              that of the last drain only, and so its drain needs neither fence nor wait
 *              when it finds nothing. A call that a closing domain accepts is handed over
 *              when Close's drain ends.
 *   progress   Drains end.
 *
 * Variants: FENCED is the domain without membarrier: who appends fences for itself. SHARED
 * is the build in which processors are not exclusive and each store is a fence: two
 * goroutines make calls on one slot, taken by compare-and-swap. CLOSE: Close in the place
 * of Barrier. CACHE: the user is slab, and calls are retired objects.
 *
 * Not shown here: slots that are added while a drain runs, panics of a Call on a closed
 * domain, counts of bytes; the free objects of a cache, which its owner uses as it does the retired
 * ones; slab's Close, before which its users have stopped.
 *
 * Verified by model/run:
 *
 *   safety
 *   safety    -DFENCED
 *   safety    -DSHARED -DCALLS=2
 *   safety    -DCLOSE
 *   safety    -DCACHE
 *   safety    -DCACHE -DFENCED
 *   safety    -DCACHE -DSHARED -DCALLS=2
 *   progress
 *   progress  -DCACHE
 *
 * Mutants, each refuted:
 *
 *   BY_STORE         a caller hands over without looking: it and a drain both take the chunk
 *   NO_DRAIN_FENCE   busy is still in the caller's store buffer when drain looks
 *   NO_APPEND_FENCE  with FENCED: the same
 *   NO_BUSY_WAIT     drain takes the chunk while somebody appends to it
 *   NO_DRAIN_FENCE   with CACHE: as above, of a cache
 *   NO_APPEND_FENCE  with CACHE FENCED: the same
 *   NO_BUSY_WAIT     with CACHE: a cache's objects are handed over while it gets more
 *   NO_DRAIN_LOCK    a drain ends while another has a chunk that it has yet to hand over
 *   GOAL_TOO_EARLY   drain takes the goal and then the chunk: there are appends between
 *   FENCE_FIRST      the fence comes before the swap: a caller finds the chunk after it
 *   IDLE_FIRST       drain waits until not busy, and then takes the chunk
 *   FENCE_FIRST      with CACHE: a holder finds its cache after it
 *   IDLE_FIRST       with CACHE: drain waits until not busy, and then takes the cache
 *   REPLACED_LATE    with CACHE: a full magazine is replaced after unlocking: a drain takes it as well
 *   INSTALL_BY_STORE with CLOSE: a caller installs a chunk in a closed slot
 */

#ifndef CALLS
#define CALLS 4		/* of each goroutine that makes calls */
#endif
#ifndef DEPTH
#define DEPTH 4		/* of the store buffer: what one call may have in it */
#endif
#ifdef SHARED
#define CALLERS 2
#else
#define CALLERS 1
#endif
#define ALL ((1 << (CALLERS * CALLS)) - 1)
#define ROOM   2
#define CHUNKS 4	/* no more are needed at once */
#define NONE   CHUNKS
#define CLOSED (CHUNKS + 1)

/* Memory. Sets of calls are bit masks. */
byte open = NONE;
byte unlinked;			/* objects, one for each call */
byte entries[CHUNKS];
byte busy;
bool sealed;			/* the domain */
bool draining;			/* drainMu */

/* Who has the chunk. */
#define FREE   0
#define OPEN   1		/* its slot, or who took it out */
#define HANDED 2		/* the reclaimer and its workers */
byte stage[CHUNKS];

/* What the callers know, whether it has reached memory or not. */
byte length[CHUNKS];
#ifdef CACHE
byte content[CHUNKS];
#endif
byte returned;			/* calls that have */
byte accepted;			/* calls that went into a slot's chunk */
bool over;			/* Close's drain has ended */
byte done;			/* and whose callbacks have run */
byte finished;			/* callers */

/* Stores on their way: unlinking of call v, append of call v to chunk c, an empty magazine
 * in the place of the full one of cache c, busy = v. */
mtype = { UNLINK, APPEND, REPLACE, BUSY };
chan stores = [DEPTH] of { mtype, byte, byte };

inline reach_memory(what, c, v) {
	if
	:: what == UNLINK -> unlinked = unlinked | (1 << v)
	:: what == APPEND ->
		assert(stage[c] == OPEN);	/* nobody appends to a chunk that is handed over */
		entries[c] = entries[c] | (1 << v)
	:: what == REPLACE ->
		assert(stage[c] == OPEN);
		entries[c] = 0
	:: what == BUSY -> busy = v
	fi
}

inline store(what, c, v) {
#ifdef SHARED
	atomic { reach_memory(what, c, v) }
#else
	stores!what(c, v)
#endif
}

inline drain_stores() {
	do
	:: stores?what, x, y -> reach_memory(what, x, y)
	:: empty(stores) -> break
	od;
	x = 0; y = 0; what = 0
}

active proctype hardware() {
	mtype what;
	byte x, y;
end:	do
	:: atomic { stores?what, x, y -> reach_memory(what, x, y); what = 0; x = 0; y = 0 }
	od
}

/* A chunk goes to the reclaimer, with a goal that covers those in covered. */
inline hand_over(c, covered) {
	assert(stage[c] == OPEN);		/* once only */
	assert((entries[c] & ~covered) == 0);	/* readers that come later don't find them */
	stage[c] = HANDED
}

proctype caller(byte me) {
	mtype what;
	byte n, id, c, x, y;
#ifdef CACHE
	byte removed;
#endif

	do
	:: n < CALLS ->
		id = me * CALLS + n;
		store(UNLINK, 0, id);
		/* lock */
#ifdef SHARED
		atomic {
			if
			:: busy == 0 -> busy = 1
			:: else -> goto alone
			fi
		};
#else
		store(BUSY, 0, 1);
#if defined(FENCED) && !defined(NO_APPEND_FENCE)
		empty(stores);
#endif
#endif
		c = open;
		if
		:: c == NONE ->
			/* install: a free chunk, by compare-and-swap */
			atomic {
				drain_stores();
				c = 0;
				do
				:: stage[c] == FREE -> break
				:: else -> c++
				od;
				if
#ifdef INSTALL_BY_STORE
				:: true -> open = c; stage[c] = OPEN
#else
				:: open == NONE -> open = c; stage[c] = OPEN
				:: else -> c = CLOSED
#endif
				fi
			}
		:: else
		fi;
		if
		:: c == CLOSED ->
			store(BUSY, 0, 0);
			goto alone
		:: else
		fi;
#ifdef CACHE
		if
		:: length[c] == ROOM ->
			atomic {
				removed = content[c];
				content[c] = 0;
				length[c] = 0;
#ifndef REPLACED_LATE
				store(REPLACE, c, 0)
#endif
			}
		:: else
		fi;
#endif
		atomic {
			assert(!over);		/* nobody would find it */
			store(APPEND, c, id);
			accepted = accepted | (1 << id);
#ifdef CACHE
			content[c] = content[c] | (1 << id);
#endif
			length[c]++
		};
#ifdef CACHE
		store(BUSY, 0, 0);
#ifdef REPLACED_LATE
		if
		:: removed != 0 -> atomic { drain_stores(); entries[c] = entries[c] & ~removed }
		:: else
		fi;
#endif
		c = 0;
		if
		:: removed != 0 ->
			/* retireMagazine, under a lock */
			atomic {
				drain_stores();
				assert((removed & ~unlinked) == 0);
				assert((removed & done) == 0);
				done = done | removed;
				removed = 0
			}
		:: else
		fi;
		goto next;
#else
		if
		:: length[c] == ROOM ->
			/* handOverOpen */
			atomic {
				drain_stores();
				if
#ifdef BY_STORE
				:: true -> open = NONE
#else
				:: open == c -> open = NONE
				:: else -> goto unlock
#endif
				fi
			};
			atomic { x = unlinked };		/* the goal */
			atomic { hand_over(c, x); x = 0 }	/* the push */
		:: else
		fi;
unlock:		c = 0;
		store(BUSY, 0, 0);
		goto next;
#endif

alone:		/* callUnslotted: a chunk of its own, or none on a closed domain; no cache's magazine */
		c = 0;
		atomic { drain_stores() };
		atomic { assert(unlinked & (1 << id)); done = done | (1 << id) };
next:		atomic { returned = returned | (1 << id); id = 0; n++ }
	:: n == CALLS -> break
	od;
	atomic { finished++; n = 0 }
}

/* last: a drain that begins when all calls have been made. closing: Close's. */
proctype drain(bool last; bool closing) {
	mtype what;
	byte before, left, taken, covered, x, y;

	left = NONE;
	if
	:: closing -> sealed = true; left = CLOSED
	:: else
	fi;
	if
	:: last -> (finished == CALLERS)
	:: else
	fi;
	before = returned;
#ifndef NO_DRAIN_LOCK
	atomic { !draining -> draining = true };
#endif
	if
	:: sealed -> left = CLOSED
	:: else
	fi;
#ifdef FENCE_FIRST
	atomic { drain_stores() };
#endif
#ifdef IDLE_FIRST
	atomic { drain_stores() };
	(busy == 0);
#endif
#ifdef GOAL_TOO_EARLY
	covered = unlinked;
#endif
	taken = NONE;
#ifdef CACHE
	if
	:: open == NONE -> goto nothing	/* nothing is loaded */
	:: else
	fi;
#endif
	if
	:: open == left
	:: else -> atomic { taken = open; open = left }
	fi;
#if !defined(FENCED) && !defined(NO_DRAIN_FENCE) && !defined(FENCE_FIRST) && !defined(IDLE_FIRST)
	atomic { drain_stores() };
#endif
#if !defined(NO_BUSY_WAIT) && !defined(IDLE_FIRST)
	(busy == 0);
#endif
	if
	:: taken < CHUNKS ->
#ifndef GOAL_TOO_EARLY
		covered = unlinked;
#endif
		atomic { hand_over(taken, covered) }
	:: else
	fi;
#ifdef CACHE
nothing: skip;
#endif
	atomic {
		/* Exactness: calls from before, in chunks that are handed over, or done. */
		x = done;
		y = 0;
		do
		:: y < CHUNKS ->
			if
			:: stage[y] == HANDED -> x = x | entries[y]
			:: else
			fi;
			y++
		:: y == CHUNKS -> break
		od;
#ifndef CACHE
		assert((before & ~x) == 0);
#endif
		assert(!last || x == ALL);
		assert(!closing || (accepted & ~x) == 0);
		over = over || closing;
		x = 0; y = 0; covered = 0; taken = 0; before = 0; left = 0;
		draining = false
	}
}

inline run_calls(c) {
	assert((entries[c] & done) == 0);	/* once only */
	done = done | entries[c];
	entries[c] = 0;
	length[c] = 0;
#ifdef CACHE
	content[c] = 0;
#endif
	stage[c] = FREE
}

active proctype worker() {
end:	do
	:: atomic { stage[0] == HANDED -> run_calls(0) }
	:: atomic { stage[1] == HANDED -> run_calls(1) }
	:: atomic { stage[2] == HANDED -> run_calls(2) }
	:: atomic { stage[3] == HANDED -> run_calls(3) }
	od
}

init {
	atomic {
		run caller(0);
#ifdef SHARED
		run caller(1);
#endif
#if defined(CLOSE)
		run drain(false, true);
#elif !defined(SHARED)
		run drain(false, false);
#endif
		run drain(false, false);
		run drain(true, false)
	}
}
