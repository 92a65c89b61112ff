/*
 * The sequence clock of package clock: its asymmetric fence, its scan, two pollers at
 * once. Readers, store buffers and the scan are in clock.h.
 *
 * What is modelled, and where it is in the code:
 *
 *   entering, leaving, quiescing    Record.claim, EnterOr, Leave and Quiesce
 *   Advance                         Clock.Advance: an atomic add drains the buffer
 *   Poll                            Clock.poll: each load and each compare-and-swap a
 *                                   step, the fence a step for each processor
 *
 * A writer unlinks its object, advances, polls and frees. Nothing orders the two writers.
 * A reader looks at one object in each section: the time of that load is arbitrary, so
 * more loads would find nothing that one does not.
 *
 * Properties:
 *
 *   safety     Nobody holds an object when it is freed, and nobody finds it later. rd
 *              never goes back and never passes wr. A goal once reached stays reached.
 *   progress   A poll after the last reader has left reaches its goal.
 *
 * Variants: FENCED is the clock without membarrier: readers fence for themselves. OWNED has
 * registered readers, which store the last moment first, and another if that is over. LAPS
 * makes one writer advance that many more times, so that a delayed reader falls behind by
 * more than half the range and its word looks like one from the future.
 *
 * Not shown here: a reader delayed while the clock goes all the way around (2^44 advances
 * in the code); processors that reorder more than x86-TSO does (the code uses sync/atomic
 * there, which allows less than this model); sections that are left on another processor
 * than they were entered on (their record looks open for longer, to the next entry too).
 *
 * Verified by model/run:
 *
 *   safety    -DR=2 -DSECTIONS=1
 *   safety    -DR=2 -DSECTIONS=1 -DFENCED
 *   safety    -DSECTIONS=3 -DPOLLS=2 -DDEPTH=3
 *   safety    -DLAPS=5
 *   safety    -DOWNED -DR=2 -DSECTIONS=1
 *   safety    -DOWNED -DPOLLS=2
 *   safety    -DOWNED -DLAPS=5
 *   progress
 *
 * Mutants, each refuted:
 *
 *   NO_HEAVY_FENCE   a reader's entry is still in its store buffer during the scan
 *   NO_HEAVY_FENCE   with OWNED: the same
 *   NO_LIGHT_FENCE   with FENCED: the same
 *   FENCE_BEFORE_WR  a reader enters between the fence and the load of wr, and is not seen
 *   LATE_CANDIDATE   rd moves to a wr read after the scan, past readers that came between
 *   STALE_IS_IDLE    a reader delayed between loading wr and storing it is not seen
 *   STALE_LOOKS_NEW  with LAPS=5: one delayed for very long counts as having just entered
 *   RD_GOES_BACK     a scan that ends late takes back what a later one found
 *   PLAIN_COMPARE    moments are compared without regard to the wrap
 *   NO_ADVANCE       a writer polls for the moment in which it unlinked
 */

#include "clock.h"

#ifndef POLLS
#define POLLS 1		/* before all readers have left; then one more */
#endif
#ifndef LAPS
#define LAPS 0
#endif

bool lapped = (LAPS == 0);

/* A locked add. */
inline advance(w) {
	atomic {
		drain_writer(w);
#ifndef NO_ADVANCE
		wr = NEXT(wr);
#endif
		goal = wr
	}
}

proctype writer(byte w) {
	byte goal, since, latest, candidate, at, seen, v, n;
	bool reached;

	/* Writer 1 takes no goal before that: it would hold it for too long. */
	(w == 0 || lapped);
	do
	:: w == 0 && n < LAPS ->
		advance(w);
		poll(goal);
		n++;
		if
		:: reached
		:: else -> break	/* wr never runs far ahead of rd */
		fi
	:: w != 0 || n == LAPS -> break
	od;
	n = 0;
	lapped = true;

	unlinking[w] = true;
	advance(w);
	do
	:: n < POLLS ->
		poll(goal);
		n++;
		if
		:: reached -> break
		:: else
		fi
	:: n == POLLS ->
		(left == R);
		poll(goal);
		assert(reached);	/* nobody is left who could hold it back */
		break
	od;
	free(w);
	poll(goal);
	assert(reached)			/* it stays reached */
}

init {
	atomic {
		run reader(0, SECTIONS);
#if R > 1
		run reader(1, 1);
#endif
		run writer(0); run writer(1)
	}
}
