/*
 * Hold: an object is kept without a section (package smr). A reader takes a slot while its
 * section protects the object; a worker that finds the object in a slot parks its call, and
 * marks the slot; the release of a marked slot tells the reclaimer of it, which looks again.
 *
 * What is modelled, and where it is in the code:
 *
 *   take              holdSlot.take, for the processor that owns the slot: plain stores of the
 *                     address and of the state, in the processor's store buffer (x86-TSO), and
 *                     behind them the store of Leave
 *   release, clone    compare-and-swaps of the state, and heldReleased
 *   search            eachHold: a slot after the other, its state and then its address
 *   worker            promote, which collects what is held after the goal is reached, and
 *                     parkHeld, under reclaimer.mu
 *   reclaimer         unpark, of one told slot after the other
 *
 * Two readers enter ROUNDS sections each. In each they hold the object that is linked, if any,
 * or another one that is never retired, in a slot of their own (1 or 2), which they take
 * again and again. The first one clones its first hold and hands the clone to a third. The
 * writer unlinks the object, retires it, and makes another at the same address once it is
 * freed: OBJECTS of them. One object is parked at a time: that a slot may be told of again
 * for another one, smr's TestSchedules_RetakeAgainstUnpark shows.
 *
 * Entries and goals are abstract here, a word for each reader and a clock: clock.pml shows
 * what they rely on. Nor are chunks shown: calls.pml, reclaimer.pml.
 *
 * Properties:
 *
 *   safety     What is held is not freed, nor what a reader in its section has found. Each
 *              object that is retired is freed in the end: no Release is missed.
 *
 * Verified by model/run:
 *
 *   safety
 *   safety    -DSHARED
 *
 * Mutants, each refuted:
 *
 *   SLOT_AFTER_LEAVE  a reader takes its slot when it has left: nothing holds the goal back
 *   HELD_FIRST        what is held is collected before the goal is reached: a reader holds it after that
 *   NO_SECOND_LOOK    the release of the marked slot frees the object, which another slot names
 *   NO_LOOK           an object whose slot could not be marked is freed: another names it
 *   CLONE_OUTSIDE     a clone takes a slot of its own: the search has passed that, and finds the other empty
 *   MARK_BLINDLY      the mark is a store: it meets a slot that is idle, or another hold
 *   TOLD_EARLY        Release tells the reclaimer before it gives the slot up: it finds nothing new
 *   UNGUARDED         a call is parked after its slot is marked, without the lock: the reclaimer misses it
 *
 * Variants: SHARED is the build in which processors are not exclusive, and each store is a
 * fence: both readers contend for one slot, which they claim by compare-and-swap, and hold
 * nothing if they find it taken (where the code tries another).
 */

#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef OBJECTS
#define OBJECTS 2
#endif
#define SLOTS 3
#define NONE SLOTS
#define OURS 1		/* addresses: of the objects that are retired, */
#define OTHER 2		/* and of one that is not */

/* Memory. */
byte now = 1;			/* the clock */
byte rec[2];			/* the moment at which a section was entered, or 0 */
byte version = 1;		/* of the object at OURS */
bool linked = true;
bool alive = true;
byte addr[SLOTS];
byte gen[SLOTS];		/* with refs, marked and claimed: the state, one word */
byte refs[SLOTS];
bool marked[SLOTS];
#ifdef SHARED
bool claimed[SLOTS];
#endif
bool told[SLOTS];		/* the stack of told slots */
bool mu;
bool parked;
byte pslot, pgen;		/* the marked slot of what is parked */

/* From the first reader to the third. */
bool handed;
byte hslot, hgen, hversion;

/* Stores on their way: of an address to a slot, of its state, of a record. */
mtype = { ADDR, HELD, LEFT };
chan stores0 = [3] of { mtype, byte, byte };
chan stores1 = [3] of { mtype, byte, byte };

inline reach_memory(me, what, s, v) {
	if
	:: what == ADDR -> addr[s] = v
	:: what == HELD -> refs[s] = 1
#ifdef SHARED
		; claimed[s] = false
#endif
	:: what == LEFT -> rec[me] = 0
	fi
}

inline store(me, what, s, v) {
#ifdef SHARED
	atomic { reach_memory(me, what, s, v) }
#else
	if
	:: me == 0 -> stores0!what(s, v)
	:: else -> stores1!what(s, v)
	fi
#endif
}

inline drain_stores(me) {
	do
	:: me == 0 && nempty(stores0) -> stores0?what(x, y); reach_memory(me, what, x, y)
	:: me == 1 && nempty(stores1) -> stores1?what(x, y); reach_memory(me, what, x, y)
	:: (me != 0 || empty(stores0)) && (me != 1 || empty(stores1)) -> break
	od;
	what = 0; x = 0; y = 0
}

active proctype hardware() {
	mtype what;
	byte x, y;
end:	do
	:: atomic { stores0?what(x, y) -> reach_memory(0, what, x, y); what = 0; x = 0; y = 0 }
	:: atomic { stores1?what(x, y) -> reach_memory(1, what, x, y); what = 0; x = 0; y = 0 }
	od
}

inline use(v) { assert(alive && version == v) }

/* The caller's stores are drained. m is left false. */
inline release(s, g) {
#ifdef TOLD_EARLY
	m = marked[s] && refs[s] == 1;
	if
	:: m -> told[s] = true
	:: else
	fi;
#endif
	atomic {
		assert(gen[s] == g && refs[s] > 0);
		refs[s]--;
		if
		:: refs[s] == 0 -> m = marked[s]; marked[s] = false; gen[s]++
		:: else -> m = false
		fi
	};
#ifndef TOLD_EARLY
	if
	:: m -> told[s] = true
	:: else
	fi;
#endif
	m = false
}

proctype reader(byte me) {
	mtype what;
	byte n, s, g, v, a, x, y;
	bool m;

	do
	:: n < ROUNDS ->
		atomic { drain_stores(me); rec[me] = now };
		atomic {
			if
			:: linked -> a = OURS; v = version
			:: a = OTHER
			fi
		};
#ifdef SHARED
		s = 1;
#else
		s = me + 1;
#endif
		/* A slot that a clone holds is taken. */
		atomic {
			if
#ifdef SHARED
			:: refs[s] == 0 && !claimed[s] -> claimed[s] = true; g = gen[s]
#else
			:: refs[s] == 0 -> g = gen[s]
#endif
			:: else -> s = NONE
			fi
		};
#ifdef SLOT_AFTER_LEAVE
		store(me, LEFT, 0, 0);
#endif
		if
		:: s != NONE ->
			store(me, ADDR, s, a);
			store(me, HELD, s, 0)
		:: else
		fi;
		if
		:: a == OURS -> use(v)
		:: else
		fi;
#ifndef SLOT_AFTER_LEAVE
		store(me, LEFT, 0, 0);
#endif
		if
		:: s != NONE ->
			if
			:: a == OURS -> use(v)
			:: else
			fi;
			if
			:: me == 0 && !handed && a == OURS ->
				atomic {
					drain_stores(me);
					hversion = v;
#ifdef CLONE_OUTSIDE
					hslot = 0; hgen = gen[0]; addr[0] = OURS; refs[0] = 1
#else
					hslot = s; hgen = g; refs[s]++
#endif
				};
				handed = true
			:: else
			fi;
			atomic { drain_stores(me) };
			release(s, g)
		:: else
		fi;
		atomic { s = 0; g = 0; v = 0; a = 0; n++ }
	:: n == ROUNDS -> break
	od;
	atomic { drain_stores(me); n = 0 }
}

active proctype third() {
	bool m;
end:	handed;
	use(hversion);
	release(hslot, hgen);
	atomic { hslot = 0; hgen = 0; hversion = 0 }
}

inline lock() { atomic { !mu -> mu = true } }
inline unlock() { mu = false }

/* Sets s to a slot that names the object and is marked now, and g to its generation; or s to
 * NONE. */
inline mark_one() {
	s = 0;
	do
	:: s < SLOTS ->
		atomic { w = refs[s]; g = gen[s] };
		if
		:: w > 0 ->
			if
			:: addr[s] == OURS ->
				atomic {
					if
#ifdef MARK_BLINDLY
					:: true -> marked[s] = true; w = 1
#else
					:: gen[s] == g && refs[s] > 0 -> marked[s] = true; w = 1
					:: else -> w = 0
#endif
					fi
				};
				if
				:: w == 1 -> break
#ifdef NO_LOOK
				:: else -> s = NONE; break
#else
				:: else
#endif
				fi
			:: else
			fi
		:: else
		fi;
		s++
	:: s == SLOTS -> break
	od;
	w = 0
}

/* The callback of the object, and the next one at its address. */
inline free() {
	atomic {
		alive = false;
		parked = false;
		s = 0; g = 0
	}
}

active proctype worker() {
	byte n, s, g, w;
	bool seen;

	do
	:: n < OBJECTS ->
		/* The writer, then the grace period. */
		linked = false;
		now++;
#ifndef HELD_FIRST
		(rec[0] == 0 || rec[0] >= now);
		(rec[1] == 0 || rec[1] >= now);
#endif
		seen = false;
		do
		:: s < SLOTS ->
			w = refs[s];
			if
			:: w > 0 -> seen = seen || addr[s] == OURS
			:: else
			fi;
			atomic { w = 0; s++ }
		:: s == SLOTS -> break
		od;
		s = 0;
#ifdef HELD_FIRST
		(rec[0] == 0 || rec[0] >= now);
		(rec[1] == 0 || rec[1] >= now);
#endif
		if
		:: !seen -> free()
		:: else ->
#ifndef UNGUARDED
			lock();
#endif
			mark_one();
			if
			:: s == NONE -> free()
			:: else -> atomic { parked = true; pslot = s; pgen = g; s = 0; g = 0 }
			fi;
#ifndef UNGUARDED
			unlock()
#endif
		fi;
		seen = false;
		!alive;
		atomic {
			version++;
			alive = true;
			linked = (n + 1 < OBJECTS);
			n++
		}
	:: n == OBJECTS -> break
	od
}

active proctype reclaimer() {
	byte s, g, w, t;

end:	do
	:: told[0] || told[1] || told[2] ->
		lock();
		if
		:: told[0] -> t = 0
		:: told[1] -> t = 1
		:: told[2] -> t = 2
		fi;
		told[t] = false;
		if
		:: parked && pslot == t && !(gen[t] == pgen && refs[t] > 0) ->
#ifdef NO_SECOND_LOOK
			s = NONE;
#else
			mark_one();
#endif
			if
			:: s == NONE -> free()
			:: else -> atomic { pslot = s; pgen = g; s = 0; g = 0 }
			fi
		:: else
		fi;
		t = 0;
		unlock()
	od
}

init {
	atomic {
		run reader(0);
		run reader(1)
	}
}
