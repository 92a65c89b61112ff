/*
 * Deferred goals of package clock: DeferredAdvance, Commit, and other writers' Advance.
 * Readers, store buffers and the scan are in clock.h.
 *
 * What is modelled, and where it is in the code:
 *
 *   unlinking          a plain store, which stays in the writer's buffer
 *   DeferredAdvance    Clock.DeferredAdvance: the fence, then a load
 *   Commit             Clock.Commit: a load and a compare-and-swap
 *   Advance            Clock.Advance: an atomic add
 *   Poll               Clock.poll: false for a goal that is not committed
 *   Wait               Commit, then Poll (the waiting is in wait.pml)
 *
 * Each of two writers unlinks its object, takes a goal by DeferredAdvance or by Advance,
 * polls, commits sooner or later, and frees the object when the goal is reached. So a goal
 * is committed by its writer, by the other's Commit or by somebody's Advance.
 *
 * Variants: FENCED is the clock without membarrier; OTHER is a third writer, of whom only
 * the Advance is of interest.
 *
 * Properties:
 *
 *   safety     Nobody holds an object when it is freed, and nobody finds it later. wr and
 *              rd never go back, rd never passes wr.
 *   progress   A poll of a committed goal after the last reader has left reaches it.
 *
 * Not shown here: Advance and Commit of a clock that is too far ahead of its readers. For
 * the rest see clock.pml.
 *
 * Verified by model/run:
 *
 *   safety
 *   safety    -DFENCED
 *   safety    -DOTHER -DSECTIONS=1
 *   progress  -DSECTIONS=1
 *
 * Mutants, each refuted:
 *
 *   NO_DEFERRED_FENCE  the goal is read while the unlinking is still in the store buffer
 *   UNCOMMITTED_GOAL   a goal counts as reached while readers may still enter before it
 *   COMMIT_BY_STORE    with OTHER: Commit looks, and then stores: over what others stored between
 *   COMMIT_UNSEEN      Commit stores without looking
 *   GOAL_IS_NOW        the goal is the moment in which the object was unlinked
 */

#include "clock.h"

inline deferred_advance(w) {
#ifndef NO_DEFERRED_FENCE
	atomic { drain_writer(w) };
#endif
#ifdef GOAL_IS_NOW
	goal = wr
#else
	goal = NEXT(wr)
#endif
}

inline commit(w) {
	/* the load */
#ifdef COMMIT_UNSEEN
	same = true;
#else
	same = (NEXT(wr) == goal);
#endif
	/* the compare-and-swap */
	atomic {
#if !defined(COMMIT_BY_STORE) && !defined(COMMIT_UNSEEN)
		same = (same && NEXT(wr) == goal);
#endif
		if
		:: same ->
			assert(SINCE(goal, wr) < RANGE / 2);	/* wr never goes back */
			drain_writer(w);
			wr = goal;
			same = false
		:: else
		fi
	}
}

inline advance(w) {
	atomic { drain_writer(w); wr = NEXT(wr); goal = wr }
}

proctype writer(byte w) {
	byte goal, since, latest, candidate, at, seen, v;
	bool reached, same;

	unlinking[w] = true;
	if
	:: true -> deferred_advance(w)
	:: true -> advance(w)
	fi;
	if
	:: true -> poll(goal)	/* committed by somebody else, or not at all */
	:: true -> commit(w); poll(goal)
	:: true
	fi;
	if
	:: reached
	:: else ->
		(left == R);
		commit(w);
		poll(goal);
		assert(reached)		/* nobody is left who could hold it back */
	fi;
	free(w);
	poll(goal);
	assert(reached)
}

#ifdef OTHER
/* Somebody whose objects are of no interest here. */
proctype other() {
	wr = NEXT(wr)
}
#endif

init {
	atomic {
		run reader(0, SECTIONS);
#if R > 1
		run reader(1, 1);
#endif
		run writer(0); run writer(1);
#ifdef OTHER
		run other()
#endif
	}
}
