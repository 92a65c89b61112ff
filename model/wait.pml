/*
 * Waiting for grace periods in package clock: a waiter that must park registers with the
 * clock's driver, which sleeps until the reader that holds it back leaves; some give up.
 *
 * What is modelled, and where it is in the code:
 *
 *   reader              Record.claim, Record.Leave, Record.wake; its stores sit in its
 *                       processor's store buffer (x86-TSO)
 *   waiter              Clock.WaitOr and Clock.park: poll, spin, register, sleep,
 *                       unregister
 *   driver              Clock.driveOn: scan, release, spin, arm, sleep; one is started by
 *                       each waiter that finds none and has got turn for it
 *   poll                Clock.poll and kickIfMoved: a waiter's own to begin with, and one
 *                       more when it has given up
 *   the wake channel    a channel of capacity 1, sent to without blocking
 *
 * Each waiter advances the clock and waits for that goal. A reader stays in its section
 * for as long as it likes, or for good. A scan is two steps here, looking and raising rd;
 * clock.pml takes it apart.
 *
 * Properties:
 *
 *   safety     A waiter that returns without having been canceled has its goal reached.
 *              A driver that was dismissed is joined by no waiter. When nothing happens
 *              any more, a waiter that still waits is held back: its goal is not reached,
 *              and a reader that entered before it is still in its section; and there is
 *              one driver if a waiter is left, else none. No lock is waited for for good.
 *   progress   No waiter and no driver goes around for ever.
 *
 * Variants: FENCED is the clock without membarrier: readers fence for themselves. W and R
 * are how many waiters and readers there are, STOPS how many waiters may be canceled.
 * COARSE, for more waiters, does in one step each what is said at the word. OWNED has readers
 * that store the last moment first, and move on to another in their section.
 *
 * Not shown here: Quiescent records, which leave by Quiesce or Offline like a reader here;
 * the timer for stalls, which wakes the driver once more; goals that Wait commits
 * (deferred.pml); user functions that end the driver's goroutine.
 *
 * Verified by model/run:
 *
 *   safety
 *   safety    -DFENCED
 *   safety    -DSECTIONS=2
 *   safety    -DOWNED
 *   safety    -DOWNED -DSECTIONS=2 -DSTOPS=0
 *   safety    -DR=2 -DCOARSE -DSTOPS=0
 *   safety    -DSTOPS=2 -DCOARSE
 *   safety    -DW=3 -DCOARSE
 *   progress
 *
 * Mutants, each refuted:
 *
 *   NO_WAKE              the reader that was waited for leaves without waking the driver
 *   NO_MOVE_WAKE         with OWNED: the reader that was waited for moves on without waking the driver
 *   NO_SECOND_LOOK       the reader leaves between the driver's scan and its sleep
 *   NO_ARM_FENCE         its leaving is still in its store buffer at the second load
 *   NO_LEAVE_FENCE       with FENCED: the same
 *   FLAG_BEFORE_STORE    the leaving reader loads the flag before it stores its record
 *   NO_POLL_KICK         a poll that reaches a goal does not wake the driver
 *   EARLY_POLL_CHECK     a poll moves rd after a driver slept that it did not see at first
 *   LATE_END             with SECTIONS=2: a waiter registers between the driver's finding none and its end
 *   NO_END_KICK          the driver sleeps on when the last waiter gives up
 *   JOINS_DISMISSED      with STOPS=2: a waiter registers with a driver that is to end
 *   NO_TURN              the next driver takes the kick that ends the one before
 *   LATE_TURN            a driver that is dismissed before it begins waits for the next to end
 *   RELEASE_BEFORE_SCAN  with R=2 COARSE STOPS=0: the scan reaches the goal of one that registered after the release
 *   REGISTER_UNCHECKED   with R=2 COARSE STOPS=0: the driver reached the goal, and released, before it was registered
 */

#ifndef W
#define W 2		/* waiters */
#endif
#ifndef R
#define R 1		/* readers */
#endif
#ifndef STOPS
#define STOPS 1		/* waiters that may be canceled */
#endif
#ifndef SECTIONS
#define SECTIONS 1	/* of each reader */
#endif
#define NOBODY R

byte wr = 1, rd = 1;
byte rec[R];			/* 0 while idle */
chan stores[R] = [2] of { byte };
bool flag[R];			/* Record.waiter */
chan wake = [1] of { bit };

bool mu;
bool turn;
byte terms, term;		/* the drivers so far, and the one that serves; 0 if none */
bool registered[W];
bool done[W];
bool stop[W];
byte goals[W];			/* 0 while not waiting */
byte drivers;			/* that have not ended */

active proctype hardware() {
	byte v;
end:	do
	:: atomic { stores[0]?v -> rec[0] = v; v = 0 }
#if R > 1
	:: atomic { stores[1]?v -> rec[1] = v; v = 0 }
#endif
	od
}

inline drain_stores(r) {
	do
	:: stores[r]?v -> rec[r] = v
	:: empty(stores[r]) -> break
	od;
	v = 0
}

inline kick() {
	atomic {
		if
		:: nfull(wake) -> wake!1
		:: full(wake)	/* a kick is on its way */
		fi
	}
}

/* Record.wake, if the flag is set: the swap drains the buffer */
inline wake_if_set(r) {
	if
	:: set ->
		atomic { drain_stores(r); set = flag[r]; flag[r] = false };
#ifndef NO_WAKE
		if
		:: set -> kick()
		:: else
		fi
#endif
	:: else
	fi;
	set = false
}

proctype reader(byte r) {
	byte v, n;
	bool set;
#ifdef OWNED
	byte last = 1;
#endif

	do
	:: n < SECTIONS ->
#ifdef OWNED
		/* Record.EnterOr and TrySlow */
		stores[r]!last;
		if
		:: wr == last
		:: else ->
			last = wr;
			stores[r]!last;
#ifndef NO_MOVE_WAKE
			set = flag[r];
			wake_if_set(r)
#endif
		fi;
#else
		v = wr;
		stores[r]!v;
		v = 0;
#endif
#ifdef FENCED
		empty(stores[r]);
#endif
		if
		:: true
		:: true ->
end:			false		/* stays for good */
		fi;
		/* Leave */
#ifdef FLAG_BEFORE_STORE
		set = flag[r];
		stores[r]!0;
#else
		stores[r]!0;
#if defined(FENCED) && !defined(NO_LEAVE_FENCE)
		empty(stores[r]);
#endif
		set = flag[r];
#endif
		wake_if_set(r);
		n++
	:: n == SECTIONS -> break
	od
}

inline heavy_fence() {
#ifdef FENCED
	skip
#else
	drain_stores(0);
#if R > 1
	drain_stores(1)
#endif
#endif
}

/* One record, in the light of a snapshot; as Clock.position. */
inline look(r) {
	if
	:: rec[r] == 0 || rec[r] >= latest
	:: else ->
		at = (rec[r] < rd -> rd : rec[r]);
		if
		:: at < goal && (blocker == NOBODY || at < candidate) ->
			blocker = r; word = rec[r]
		:: else
		fi;
		candidate = (at < candidate -> at : candidate);
		at = 0
	fi
}

/* Clock.scan for a goal */
inline scan() {
	atomic {
		latest = wr;
		heavy_fence();
		candidate = latest;
		blocker = NOBODY; word = 0;
		look(0);
#if R > 1
		look(1);
#endif
		latest = 0
	};
	atomic { rd = (candidate > rd -> candidate : rd); candidate = 0 }
}

/* Clock.seek; COARSE: in one step, so that no scan is late. */
inline seek_in_steps() {
	before = rd;
#ifdef EARLY_POLL_CHECK
	driven = (term != 0);
#endif
	scan();
#ifndef NO_POLL_KICK
	/* kickIfMoved */
#ifndef EARLY_POLL_CHECK
	driven = (term != 0);
#endif
	if
	:: driven ->
		if
		:: rd != before -> kick()
		:: else
		fi
	:: else
	fi;
#endif
	before = 0; driven = false
}

inline poll() {
	if
	:: rd >= goal
	:: else ->
#ifdef COARSE
		atomic { seek_in_steps() }
#else
		seek_in_steps()
#endif
	fi
}

inline lock() {
	atomic { !mu -> mu = true }
}

#if W > 2
#define WAITING (registered[0] || registered[1] || registered[2])
#else
#define WAITING (registered[0] || registered[1])
#endif

inline release_waiter(w) {
	atomic {
		if
		:: registered[w] && rd >= goals[w] -> registered[w] = false; done[w] = true
		:: registered[w] && rd < goals[w] ->
			goal = (goal == 0 || goals[w] < goal -> goals[w] : goal)
		:: else
		fi
	}
}

inline release_each() {
	goal = 0;
	release_waiter(0);
	release_waiter(1);
#if W > 2
	release_waiter(2)
#endif
}

/* Clock.release: a step for each waiter, or (COARSE) all in one. */
inline release() {
	lock();
	if
	:: term != me -> over = true
	:: else ->
#ifdef COARSE
		atomic { release_each() };
#else
		release_each();
#endif
		if
		:: WAITING
		:: else ->
#ifdef LATE_END
			mu = false;
			lock();
#endif
			term = 0; over = true
		fi
	fi;
	mu = false
}

inline scan_for_driver() {
#ifdef COARSE
	atomic { scan() }
#else
	scan()
#endif
}

proctype driver(byte me, goal, blocker, word) {
	byte latest, candidate, at, v;
	bool over, scanned;

#ifdef LATE_TURN
	atomic { !turn -> turn = true };
#endif
again:
#ifndef RELEASE_BEFORE_SCAN
	if
	:: blocker == NOBODY -> scan_for_driver(); scanned = true
	:: else
	fi;
	release();
	if
	:: over -> goto end
	:: else
	fi;
#else
	release();
	if
	:: over -> goto end
	:: else
	fi;
	if
	:: blocker == NOBODY -> scan_for_driver(); scanned = true
	:: else
	fi;
#endif
	if
	:: blocker == NOBODY -> goto next
	:: else
	fi;
#ifndef COARSE
	/* spin */
	if
	:: scanned && rec[blocker] != word -> goto next
	:: true
	fi;
#endif
	/* arm */
	flag[blocker] = true;
#ifndef NO_ARM_FENCE
	atomic { heavy_fence() };
#endif
#ifndef NO_SECOND_LOOK
	if
	:: rec[blocker] != word -> goto next
	:: else
	fi;
#endif
	/* sleep */
	atomic { blocker = NOBODY; word = 0; scanned = false };
end_sleep:
	wake?_;
next:	atomic { blocker = NOBODY; word = 0; scanned = false };
	goto again;
end:	atomic { turn = false; drivers-- }
}

proctype waiter(byte me) {
	byte goal, before, latest, candidate, at, v;
	byte blocker = NOBODY, word;
	byte mine;
	bool driven, first;

	atomic { wr++; goal = wr; goals[me] = goal };
	poll();
again:	if
	:: rd >= goal -> goto reached
	:: else
	fi;
#ifndef COARSE
	/* spin */
	if
	:: term == 0 && blocker != NOBODY && rec[blocker] != word ->
		atomic { blocker = NOBODY; word = 0 };
		poll();
		goto again
	:: true
	fi;
#endif
	/* register */
	lock();
#ifndef REGISTER_UNCHECKED
	if
	:: rd >= goal -> mu = false; goto reached
	:: else
	fi;
#endif
	atomic {
		assert(term == 0 || WAITING);
		registered[me] = true;
		if
		:: term == 0 ->
			terms++; term = terms; mine = term; first = true
		:: else
		fi
	};
	mu = false;
	if
	:: first ->
#if !defined(NO_TURN) && !defined(LATE_TURN)
		atomic { !turn -> turn = true };
#endif
		atomic { drivers++; run driver(mine, goal, blocker, word) }
	:: else
	fi;
	atomic { blocker = NOBODY; word = 0; first = false; mine = 0 };
end_park:
	if
	:: done[me] -> goto reached
	:: stop[me]
	fi;
	/* unregister */
	lock();
	if
	:: registered[me] ->
		registered[me] = false;
		if
		:: WAITING
		:: else ->
#ifndef JOINS_DISMISSED
			term = 0;
#endif
#ifndef NO_END_KICK
			kick()
#endif
		fi
	:: else
	fi;
	mu = false;
	poll();
reached:
	assert(rd >= goal || stop[me]);
	goals[me] = 0;
	atomic { goal = 0; blocker = NOBODY; word = 0 }
}

proctype stopper(byte w) {
	if
	:: stop[w] = true
	:: true
	fi
}

#if R > 1
#define HOLDS_BACK(g) ((rec[0] != 0 && rec[0] < g) || (rec[1] != 0 && rec[1] < g))
#else
#define HOLDS_BACK(g) (rec[0] != 0 && rec[0] < g)
#endif

init {
	byte w;
	atomic {
		run reader(0);
#if R > 1
		run reader(1);
#endif
		do
		:: w < W ->
			run waiter(w);
			if
			:: w < STOPS -> run stopper(w)
			:: else
			fi;
			w++
		:: w == W -> w = 0; break
		od
	};
	timeout;
	/* Nothing happens any more. */
	assert(drivers == (WAITING -> 1 : 0));
	do
	:: w < W ->
		assert(goals[w] == 0 || rd < goals[w]);
		assert(goals[w] == 0 || HOLDS_BACK(goals[w]));
		w++
	:: w == W -> break
	od
}
