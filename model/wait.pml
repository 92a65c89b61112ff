/*
 * Waiting for grace periods in package clock: one waiter leads and sleeps until the
 * reader that holds it back leaves; the others follow; some give up.
 *
 * What is modelled, and where it is in the code:
 *
 *   reader              Record.claim, Record.Leave, Record.wake; its stores sit in its
 *                       processor's store buffer (x86-TSO)
 *   WaitOr              under waitQueue.mu: reached, or lead, or follow
 *   lead                Clock.lead: scan, wake followers, spin, arm, parked, select
 *   hand over           Clock.leadAndHandOver, Clock.unfollow, wakeFollowersLocked
 *   poll                Clock.poll and wakeIfMoved: a waiter's own to begin with, and one
 *                       more by whoever has given up
 *   the wake channel    a channel of capacity 1, sent to without blocking
 *
 * Each waiter advances the clock and waits for that goal. A reader stays in its section
 * for as long as it likes, or for good. A scan is two steps here, looking and raising rd;
 * clock.pml takes it apart.
 *
 * Properties:
 *
 *   safety     At most one leads. Whoever returns without having been canceled has its
 *              goal reached. When nothing happens any more, whoever still waits is held
 *              back: its goal is not reached, and a reader that entered before it is
 *              still in its section. Nobody waits for the lock for good.
 *   progress   No waiter goes around for ever.
 *
 * Variants: FENCED is the clock without membarrier: readers fence for themselves. W and R
 * are how many waiters and readers there are, STOPS how many waiters may be canceled.
 * COARSE, for more waiters, does in one step each what is said at the word.
 *
 * Not shown here: Quiescent records, which leave by Quiesce or Offline like a reader here;
 * the timer for stalls, which wakes the leader once more; goals that Wait commits
 * (deferred.pml); user functions that panic in a leader.
 *
 * Verified by model/run:
 *
 *   safety
 *   safety    -DFENCED
 *   safety    -DSECTIONS=2
 *   safety    -DR=2 -DCOARSE -DSTOPS=0
 *   safety    -DW=3 -DCOARSE
 *   progress
 *
 * Mutants, each refuted:
 *
 *   NO_WAKE              the reader that was waited for leaves without waking the leader
 *   NO_SECOND_LOOK       the reader leaves between the leader's scan and its parking
 *   NO_ARM_FENCE         its leaving is still in its store buffer at the second look
 *   NO_LEAVE_FENCE       with FENCED: the same
 *   FLAG_BEFORE_STORE    the leaving reader looks at the flag before it stores its record
 *   NO_NEXT_LEADER       the leader gives up and its followers sleep on
 *   REACHED_FORGETS_LEAD with W=3 COARSE: one woken to lead finds its goal reached and goes
 *   CANCEL_FORGETS_LEAD  with W=3 STOPS=2 COARSE: one woken to lead is canceled and goes
 *   PARKED_TOO_LATE      somebody's poll reaches a goal while the leader decides to park
 *   TOLD_TOO_LATE        it does so after the leader looked whether its goal is reached,
 *                        and before the leader takes note of rd
 *   NO_POLLERS_WAKE      a poll that reaches a goal does not wake a parked leader
 *   NO_FOLLOWERS_WAKE    with R=2 COARSE STOPS=0: the leader finds a follower's goal reached and does not wake it
 *   TWO_LEAD             a waiter leads without looking whether another does
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
bool leading;
bool following[W];
bool woken[W];			/* the channels of followers */
bool parked;
bool stop[W];
byte goals[W];			/* 0 while not waiting */

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

inline wake_leader() {
	atomic {
		if
		:: nfull(wake) -> wake!1
		:: full(wake)	/* it has a wake-up to come already */
		fi
	}
}

proctype reader(byte r) {
	byte v, n;
	bool set;

	do
	:: n < SECTIONS ->
		v = wr;
		stores[r]!v;
		v = 0;
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
		if
		:: set ->
			/* Record.wake: the swap drains the buffer */
			atomic { drain_stores(r); set = flag[r]; flag[r] = false };
#ifndef NO_WAKE
			if
			:: set -> wake_leader()
			:: else
			fi
#endif
		:: else
		fi;
		set = false;
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

/* One record, in the light of a snapshot; as Clock.look. */
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

/* Clock.poll; COARSE: in one step, so that no scan is late. */
inline poll_in_steps() {
	before = rd;
	if
	:: before >= goal
	:: else ->
		scan();
#ifndef NO_POLLERS_WAKE
		/* wakeIfMoved */
		if
		:: parked ->
			if
			:: rd != before -> wake_leader()
			:: else
			fi
		:: else
		fi
#endif
	fi;
	before = 0
}

inline poll() {
#ifdef COARSE
	atomic { poll_in_steps() }
#else
	poll_in_steps()
#endif
}

inline lock() {
	atomic { !mu -> mu = true }
}

inline wake_follower(w) {
	atomic {
		if
		:: following[w] ->
			up = (rd >= goals[w]);
#ifdef NO_FOLLOWERS_WAKE
			up = false;
#endif
#ifndef NO_NEXT_LEADER
			if
			:: !up && !next -> up = true; next = true
			:: else
			fi;
#endif
			if
			:: up -> following[w] = false; woken[w] = true
			:: else
			fi;
			up = false
		:: else
		fi
	}
}

/* wakeFollowersLocked: a step for each follower, or (COARSE) all in one. */
inline wake_each_follower() {
	next = leading;
	wake_follower(0);
	wake_follower(1);
#if W > 2
	wake_follower(2);
#endif
	next = false
}

inline wake_followers() {
#ifdef COARSE
	atomic { wake_each_follower() }
#else
	wake_each_follower()
#endif
}

proctype waiter(byte me) {
	byte goal, before, latest, candidate, at, v;
	byte blocker = NOBODY, word, told;
	bool next, up;

	atomic { wr++; goal = wr; goals[me] = goal };
	poll();
again:	lock();
	if
	:: rd >= goal ->
#ifndef REACHED_FORGETS_LEAD
		wake_followers();	/* it may have been woken to lead */
#endif
		mu = false;
		goto reached
#ifdef TWO_LEAD
	:: rd < goal ->
#else
	:: rd < goal && !leading ->
#endif
		atomic { assert(!leading); leading = true; mu = false };
		goto lead
#ifndef TWO_LEAD
	:: rd < goal && leading ->
		following[me] = true;
		mu = false
#endif
	fi;

	/* Follow. */
	atomic { blocker = NOBODY; word = 0 };
end_follow:
	if
	:: atomic { woken[me] -> woken[me] = false; goto again }
	:: stop[me]
	fi;
	/* unfollow */
	lock();
	if
	:: following[me] -> following[me] = false
	:: else ->
		woken[me] = false;
#ifndef CANCEL_FORGETS_LEAD
		if
		:: !leading -> wake_followers()
		:: else
		fi
#endif
	fi;
	mu = false;
	goto canceled;

	/* Lead, with what the poll found, or nothing. */
lead:	if
	:: blocker == NOBODY ->
#ifdef COARSE
		atomic { scan() }
#else
		scan()
#endif
	:: else
	fi;
#ifndef TOLD_TOO_LATE
	told = rd;
	if
	:: told >= goal -> goto done
	:: else
	fi;
	lock();
#else
	if
	:: rd >= goal -> goto done
	:: else
	fi;
	lock();
	told = rd;
#endif
	wake_followers();
	mu = false;
	assert(blocker != NOBODY);
#ifndef COARSE
	/* spin */
	if
	:: rec[blocker] != word -> goto look_again
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
	:: rec[blocker] != word -> goto look_again
	:: else
	fi;
#endif
	parked = true;
#ifndef PARKED_TOO_LATE
	if
	:: rd != told -> parked = false; goto look_again
	:: else
	fi;
#endif
	atomic { told = 0; blocker = NOBODY; word = 0 };
end_park:
	if
	:: wake?_ -> parked = false; goto lead
	:: stop[me] -> parked = false
	fi;
	poll();
done:	/* leadAndHandOver */
	lock();
	leading = false;
	wake_followers();
	mu = false;
	if
	:: rd >= goal -> goto reached
	:: else -> goto canceled
	fi;

look_again:
	atomic { told = 0; blocker = NOBODY; word = 0 };
	goto lead;

canceled:
	atomic { goals[me] = 0; assert(stop[me]); goal = wr };
	poll();
reached:
	assert(rd >= goal || stop[me]);
	goals[me] = 0;
	atomic { goal = 0; blocker = NOBODY; word = 0; told = 0 }
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
	do
	:: w < W ->
		assert(goals[w] == 0 || rd < goals[w]);
		assert(goals[w] == 0 || HOLDS_BACK(goals[w]));
		w++
	:: w == W -> break
	od
}
