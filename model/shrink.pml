/*
 * A slot that gives trackers back (clock/shrink.go): they are retired and unlinked while
 * others are claimed, open and left, and while a writer's scan walks the list. Processors
 * are x86-TSO, as in clock.h: two have store buffers, the slot's own and another, where
 * sections may be left. The writer executes locked instructions only, and needs none.
 *
 * What is modelled, and where it is in the code:
 *
 *   entering     Enter, enterSlow and search: a walk from cur to an idle tracker, and its
 *                claim, pinned; or a new tracker, pushed to the list
 *   leaving      Record.Leave, on either processor
 *   shrinking    slot.shrink, pinned to the slot's processor
 *   the writer   unlinks an object, advances, and scans until no tracker holds that back;
 *                each load of the scan is a step
 *
 * There are two moments: before and after the writer's advance. What a scan believes of a
 * word is shown by clock.pml; here it is only whether it finds the word.
 *
 * Properties:
 *
 *   safety     Nobody holds the object when it is freed, and nobody finds it later. The
 *              slot's count is that of the trackers that are not retired. The end of the
 *              list stays.
 *   progress   No walk goes on for ever.
 *
 * Variants: PORTABLE is the build that cannot pin: trackers are claimed by
 * compare-and-swap, and several goroutines may shrink the slot at once.
 *
 * Not shown here: when scans find that a slot should shrink, and how they ask for it.
 *
 * Verified by model/run:
 *
 *   safety    -DSECTIONS=2
 *   safety    -DREADERS=2
 *   safety    -DREADERS=2 -DPORTABLE
 *   safety    -DSHRINKERS=2 -DPORTABLE
 *   progress
 *   progress  -DPORTABLE
 *
 * Mutants, each refuted:
 *
 *   RETIRE_OPEN   a tracker is retired while a section is open on it
 *   UNPINNED      a tracker is retired between an entry's load of 0 and its store
 *   UNCLAIMED     with PORTABLE: a tracker is found idle and unlinked, and claimed between
 *   OVERTAKEN     with PORTABLE: the same, and the retiring overwrites the claim
 *   CUT           a scan that stands on a retired tracker goes no further
 *   PLAIN_HEAD    with READERS=2 PORTABLE: a tracker that is pushed meanwhile is lost
 */

#ifndef READERS
#define READERS 1
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif
#ifndef SHRINKS
#define SHRINKS 1	/* calls of shrink, by each goroutine that calls it */
#endif
#ifndef SHRINKERS
#define SHRINKERS 1	/* goroutines that do */
#endif
#define DEPTH 2		/* of a store buffer */

/* Trackers 0 to LAST are linked to begin with, 0 first; what follows LAST is not yet. */
#define LAST 2
#define ALL  (LAST + 1 + READERS)	/* the list's head, as a place in next */
#define NIL  (ALL + 1)

/* What a tracker's word may be. */
#define IDLE   0
#define BEFORE 1
#define AFTER  2
#define CLOSED 3

byte wr = BEFORE;
byte seq[ALL];
byte next[ALL + 1];
byte cur, fresh = LAST + 1;
byte count = LAST + 1;

chan own   = [DEPTH] of { byte, byte };	/* the slot's processor's stores: tracker and word */
chan other = [DEPTH] of { byte, byte };

bool pinned;			/* a goroutine has the slot's processor to itself */
bool linked = true, freed;
bool holds[READERS];
byte left;			/* readers that have nothing left to do, */
byte shrunk;			/* and others */

active proctype hardware() {
	byte r, v;
end:	do
	:: atomic { own?r,v -> seq[r] = v; r = 0; v = 0 }
	:: atomic { other?r,v -> seq[r] = v; r = 0; v = 0 }
	od
}

inline drain(buffer) {
	do
	:: buffer?b,v -> seq[b] = v
	:: empty(buffer) -> break
	od;
	b = 0;
	v = 0
}

inline pin() {
#ifndef PORTABLE
	atomic { !pinned -> pinned = true }
#else
	skip
#endif
}

inline unpin() {
#ifndef PORTABLE
	pinned = false
#else
	skip
#endif
}

/* The slot's processor loads r's word: the youngest store in its buffer, or memory. The
 * buffer is taken out and put back in order. */
inline load_own(r) {
	word = seq[r];
	n = len(own);
	do
	:: n > 0 ->
		own?b,v;
		own!b,v;
		if
		:: b == r -> word = v
		:: else
		fi;
		n--
	:: else -> break
	od;
	b = 0;
	v = 0
}

/* Record.claim: idle tracker r takes the word w, and claimed tells whether it was idle. */
inline claim(r, w) {
#ifdef PORTABLE
	atomic {
		claimed = (seq[r] == IDLE);
		if
		:: claimed -> seq[r] = w
		:: else
		fi
	}
#else
	atomic { load_own(r); claimed = (word == IDLE); word = 0 };
	if
	:: claimed -> own!r,w
	:: else
	fi
#endif
}

proctype reader(byte me) {
	byte now, r, walked, sections, b, v, n, word;
	bool claimed;

enter:	pin();
	now = wr;
	r = cur;
	do
	:: claim(r, now);
		if
		:: claimed -> cur = r; break
		:: else
		fi;
		walked++;
		if
		:: walked > LAST + READERS ->
			/* Every tracker is taken: a new one, with its word, is pushed. */
			atomic { r = fresh; fresh++; seq[r] = now };
			do
			:: next[r] = next[ALL];
				atomic {
#ifndef PORTABLE
					drain(own);
#endif
					if
					:: next[ALL] == next[r] -> next[ALL] = r; count++; break
					:: else
					fi
				}
			od;
			cur = r;
			break
		:: else
		fi;
		r = next[r];
		if
		:: r == NIL -> r = next[ALL]
		:: else
		fi
	od;
	atomic { walked = 0; now = 0; claimed = false };
	unpin();

	atomic {
		holds[me] = linked;
		assert(!(linked && freed))	/* a reader finds no freed object */
	};
	/* Leave, here or on the other processor. To get there drains the store buffer. */
	atomic {
		holds[me] = false;
#ifdef PORTABLE
		seq[r] = IDLE
#else
		if
		:: nfull(own) -> own!r,IDLE
		:: nfull(other) -> drain(own); other!r,IDLE
		fi
#endif
	};
	atomic {
		r = 0;
		sections++;
		if
		:: sections < SECTIONS -> goto enter
		:: else -> left++; sections = 0
		fi
	}
}

proctype shrinks() {
	byte at, r, word, to, retired, calls, steps, b, v, n;
	bool claimed;

again:
#ifndef UNPINNED
	pin();
#endif
	at = ALL;
	do
	:: steps == LAST + 1 -> break
	:: else ->
		steps++;
		r = next[at];
		if
		:: r == LAST -> break
		:: else
		fi;
#if defined(RETIRE_OPEN)
		atomic { load_own(r); claimed = (word != CLOSED) };
		own!r,CLOSED;
#elif defined(UNCLAIMED)
		claimed = (seq[r] == IDLE);
#elif defined(OVERTAKEN)
		claimed = (seq[r] == IDLE);
		if
		:: claimed -> seq[r] = CLOSED
		:: else
		fi;
#else
		claim(r, CLOSED);
#endif
		if
		:: claimed -> retired++
		:: else ->
			atomic {
				load_own(r);
				if
				:: word != CLOSED -> at = r; goto next_one
				:: else
				fi
			}
		fi;
		to = next[r];
		atomic {
#ifndef PORTABLE
			drain(own);
#endif
			if
#ifdef PLAIN_HEAD
			:: true -> next[at] = to
#else
			:: next[at] == r -> next[at] = to
			:: else
#endif
			fi
		};
#ifdef CUT
		next[r] = NIL;
#endif
next_one:	atomic { word = 0; to = 0; claimed = false }
	od;
	atomic { count = count - retired; retired = 0; steps = 0 };
	atomic { load_own(cur); r = word; word = 0 };
	if
	:: r == CLOSED -> cur = LAST
	:: else
	fi;
	r = 0;
#ifndef UNPINNED
	unpin();
#endif
	calls++;
	if
	:: calls < SHRINKS -> goto again
	:: else -> shrunk++
	fi
}

proctype writer() {
	byte r, word, b, v;
	bool held;

	linked = false;
	wr = AFTER;
	do
	:: atomic { drain(own) };	/* membarrier */
		atomic { drain(other) };
		held = false;
		r = next[ALL];
		do
		:: r == NIL -> break
		:: else ->
			word = seq[r];
			held = held || word == BEFORE;
			word = 0;
			r = next[r]
		od;
		if
		:: !held -> break
		:: else -> (left == READERS)	/* one poll earlier, and the last */
		fi
	od;
	atomic {
		for (r : 0 .. READERS - 1) {
			assert(!holds[r])		/* nobody holds what is freed */
		};
		freed = true;
		r = 0
	};
	/* In the end. */
	(left == READERS && shrunk == SHRINKERS);
	atomic {
		r = next[ALL];
		word = 0;
		b = NIL;
		do
		:: r == NIL -> break
		:: else ->
			if
			:: seq[r] != CLOSED -> word++
			:: else
			fi;
			b = r;
			r = next[r]
		od;
		assert(word == count && b == LAST)
	}
}

init {
	byte i;
	atomic {
		for (i : 0 .. LAST - 1) {
			next[i] = i + 1
		};
		next[LAST] = NIL;
		next[ALL] = 0;
		select (cur : 0 .. LAST);
		for (i : 0 .. READERS - 1) {
			run reader(i)
		};
		for (i : 1 .. SHRINKERS) {
			run shrinks()
		};
		i = 0;
		run writer()
	}
}
