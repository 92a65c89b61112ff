/*
 * The reclaimer of package smr: when it starts, sleeps, wakes and stops; its workers;
 * Barrier, Flush and Throttle. How calls get into chunks and out of their slots is in
 * calls.pml.
 *
 * What is modelled, and where it is in the code:
 *
 *   Call              install or hand over, which are atomic, and then reclaimer.notify
 *   drain, intake     Domain.drain and intake: between the two, and between a slot and
 *                     the inbox, chunks are in no list
 *   reclaimer         Domain.reclaimUntilIdle; there may be two, of which one has stopped
 *   worker            Domain.work and finishLocked
 *   Barrier, Flush, Throttle
 *   readers           end the grace periods of what was taken in, when they like
 *   timer             the check-in: TICKS times when it likes, and whenever nothing else
 *                     happens; but never when the reclaimer is patient
 *
 * Everything here is sync/atomic, a mutex or a channel, so steps happen one after the
 * other. What is done under reclaimer.mu is one step. Chunks are sets of calls.
 *
 * Two callers have a slot each, with chunks of two calls. Caller 0 makes two, caller 1 one.
 *
 * Properties:
 *
 *   safety     At most one reclaimer is there. Every callback runs once, and not before
 *              its grace period is over. When Barrier returns, all that was called before
 *              has run. The check-in is needed for open chunks only: a chunk that is
 *              handed over, or open since before a Flush, a Barrier and a throttled caller
 *              never wait for it; nor does a reclaimer that has nothing to do. A
 *              reclaimer that is patient does not need it at all. In the
 *              end everything has run and the reclaimer has stopped.
 *   progress   The reclaimer does not go around for ever.
 *
 * Variants: EXPEDITE has caller 0 expedite its second call. ALONE has caller 1's call go by
 * no slot. BARRIER: somebody calls Barrier, and caller 0 makes one call. THROTTLE has caller
 * 1 call Throttle before, with room for one call.
 *
 * Not shown here: callbacks that panic, that end their goroutine, or that are slow (the
 * check-in starts another worker then); callbacks that call; canceled waits; Close.
 *
 * Verified by model/run:
 *
 *   safety    -DALONE -DEXPEDITE
 *   safety    -DALONE -DTICKS=1
 *   safety    -DTICKS=2
 *   safety    -DTHROTTLE -DEXPEDITE
 *   safety    -DBARRIER
 *   progress  -DEXPEDITE
 *
 * Mutants, each refuted:
 *
 *   STOP_WITHOUT_LOOK      a call made while the reclaimer stops is forgotten
 *   SLEEP_WITHOUT_LOOK     a chunk handed over while the reclaimer goes to sleep waits there
 *   PATIENT_TOO_LATE       with TICKS=2: a chunk is opened while the reclaimer decides that it has time
 *   PATIENT_IS_AWAKE       with TICKS=2: a caller takes a patient reclaimer for one that checks in soon
 *   NOTIFY_LOOKS_FIRST     a caller looks at the reclaimer's state before it installs
 *   START_BY_STORE         two callers both find it stopped and both start one
 *   NO_LAST_KICK           the last callback leaves a reclaimer asleep with nothing to do
 *   KICK_BEFORE_FLUSH      with EXPEDITE: the reclaimer wakes, finds nothing asked for and sleeps again
 *   CLEARED_AFTER          with EXPEDITE TICKS=1: flush is cleared after the drain, not before
 *   EARLY_RUN              chunks run without waiting for their goal
 *   FINISHED_FIRST         with BARRIER: a chunk counts as finished before its callbacks have run
 *   BARRIER_WITHOUT_DRAIN  with BARRIER: Barrier misses what is in open chunks
 *   BARRIER_WITHOUT_KICK   with BARRIER: Barrier takes chunks in, and nobody drives them
 *   NO_SECOND_FLUSH        with THROTTLE: what is pending was called after the throttled
 *                          caller's Flush, and nobody asks for it
 */

/* Calls 1 and 2 are caller 0's (only 1, with BARRIER), call 4 is caller 1's. */
#ifdef BARRIER
#define LAST 1
#else
#define LAST 2
#endif
#define ALL  (4 | LAST | 1)
#ifdef EXPEDITE
#define EXPEDITED(call) (call == 2)
#else
#define EXPEDITED(call) false
#endif
#ifdef BARRIER
#define PARTIES 3	/* with an end */
#else
#define PARTIES 2
#endif
#ifndef TICKS
#define TICKS 0
#endif

#define STOPPED 0
#define ASLEEP  1
#define AWAKE   2
#define PATIENT 3

#define NONE   0		/* of a slot: no chunk */
#define OPEN   128		/* an open chunk, and its calls' bits */
#define BITS(x) ((x) & 127)

byte open[2];
bool busy[2];			/* its caller hands over the chunk */
byte inbox;			/* sets of calls: the inbox, */
byte waiting, ready;		/* under mu: the queues, */
byte outstanding;		/* those not finished, */
byte called, returned;		/* calls that are in a chunk, and that have returned */
byte ran, freed;
byte over;			/* those whose grace period is over, */
byte wanted;			/* those that a Flush came after */
byte workers;

byte state;
byte starting;			/* goroutines of theirs that have yet to run */
byte reclaimers;		/* reclaimers between being started and having stopped */
bool flush;
chan kick = [1] of { bit };
bool due;			/* the timer has fired */
bool draining;

byte barrier;			/* calls that Barrier waits for */
bool barrier_done;
bool throttled, unthrottled;
byte finished;			/* callers and Barriers */

inline send_kick() {
	atomic {
		if
		:: nfull(kick) -> kick!1
		:: full(kick)
		fi
	}
}

/* reclaimer.start */
inline start() {
#ifdef START_BY_STORE
	found = (state == STOPPED);
#endif
	atomic {
#ifndef START_BY_STORE
		found = (state == STOPPED);
#endif
		if
		:: found ->
			state = AWAKE;
			assert(reclaimers == 0);	/* at most one */
			reclaimers++;
			starting++
		:: else
		fi;
		found = false
	}
}

inline wake_up() {
	start();
	send_kick()
}

inline ask_flush() {
#ifdef KICK_BEFORE_FLUSH
	wake_up();
	atomic { flush = true; wanted = wanted | called }
#else
	atomic { flush = true; wanted = wanted | called };
	wake_up()
#endif
}

inline notify() {
	atomic {
#ifndef NOTIFY_LOOKS_FIRST
		seen = state;
#endif
		if
		:: seen == STOPPED -> seen = AWAKE; goto found_stopped
		:: seen == ASLEEP -> seen = AWAKE; goto found_asleep
		:: seen == PATIENT -> seen = AWAKE; goto found_patient
		:: seen == AWAKE -> goto done
		fi
	};
found_stopped:
	start();
	goto done;
found_asleep:
	if
	:: inbox != 0 -> send_kick()
	:: else
	fi;
	goto done;
found_patient:
#ifndef PATIENT_IS_AWAKE
	send_kick();
#endif
}

/* Domain.drain, for both slots. */
inline drain() {
	atomic { !draining -> draining = true; taken = BITS(open[0]); open[0] = NONE };
	atomic { taken = taken | BITS(open[1]); open[1] = NONE };
	!busy[0];
	!busy[1];
	atomic { inbox = inbox | taken; taken = 0; draining = false }
}

inline intake() {
	atomic {
		outstanding = outstanding | inbox;
		waiting = waiting | inbox;
		inbox = 0
	}
}

/* Domain.promote */
inline promote() {
	atomic {
#ifdef EARLY_RUN
		ready = ready | waiting;
		waiting = 0;
#else
		ready = ready | (waiting & over);
		waiting = waiting & ~over;
#endif
		if
		:: ready != 0 && workers == 0 -> workers++
		:: else
		fi
	}
}

/* Domain.settle, of one that is quiet: it is patient, or found is true. */
inline settle() {
#ifndef PATIENT_TOO_LATE
	state = PATIENT;
#endif
	found = (open[0] != NONE);
	found = (found || open[1] != NONE);
	found = (found || inbox != 0);
	found = (found || flush);
#ifdef PATIENT_TOO_LATE
	state = PATIENT;
#endif
	if
	:: found -> state = AWAKE
	:: else
	fi
}

/* A second one may be started while the first has stopped and not returned. A third
 * starts when one of them has. */
active [2] proctype reclaimer() {
	byte taken;
	bool found, quiet;

end:	atomic { starting > 0 -> starting--; quiet = false };
	/* checkInIfDue */
again:	atomic {
		found = flush;
#ifndef CLEARED_AFTER
		flush = false;
#endif
		if
		:: found -> found = false; goto collect
		:: !found && due
		:: else -> goto take_in
		fi
	};
	if
	:: open[0] != NONE -> goto collect
	:: else
	fi;
	if
	:: open[1] != NONE -> goto collect
	:: else
	fi;
	atomic { quiet = (inbox == 0); due = false; goto take_in };
collect:
	drain();
	atomic { due = false; quiet = false };
#ifdef CLEARED_AFTER
	flush = false;
#endif
take_in:
	atomic {
		intake();
		if
		:: waiting == 0 -> goto look0
		:: waiting != 0 && quiet
		:: else -> goto await
		fi
	};
	settle();
	if
	:: found -> found = false; goto await
	:: else
	fi;
	atomic {
		if
		:: (waiting & over) != 0
		:: kick?_
		fi;
		quiet = false
	};
	state = AWAKE;
	promote();
	goto again;

	/* WaitOr */
await:	atomic {
		if
		:: (waiting & over) != 0
		:: kick?_
		:: due
#ifdef EARLY_RUN
		:: true
#endif
		fi
	};
	promote();
	goto again;

	/* Domain.idle: three looks, of which the last is under mu. */
look0:	if
	:: open[0] != NONE -> goto sleep
	:: else
	fi;
look1:	if
	:: open[1] != NONE -> goto sleep
	:: else
	fi;
look2:	if
	:: inbox != 0 || waiting != 0 || ready != 0 -> goto sleep
	:: else
	fi;

	atomic { state = STOPPED; reclaimers-- };
#ifdef STOP_WITHOUT_LOOK
	goto stopped;
#endif
	/* the second look */
	if
	:: open[0] != NONE -> goto go_on
	:: else
	fi;
	if
	:: open[1] != NONE -> goto go_on
	:: else
	fi;
	if
	:: inbox != 0 || waiting != 0 || ready != 0 -> goto go_on
	:: else
	fi;
	if
	:: flush
	:: else -> goto stopped
	fi;
go_on:	atomic {
		if
		:: state == STOPPED ->
			state = AWAKE;
			assert(reclaimers == 0);
			reclaimers++;
			goto again
		:: else -> goto stopped
		fi
	};

sleep:	if
	:: quiet
	:: else -> goto nap
	fi;
	settle();
	if
	:: found -> found = false
	:: else -> goto look
	fi;
nap:	state = ASLEEP;
look:
#ifndef SLEEP_WITHOUT_LOOK
	if
	:: inbox != 0 -> goto wake
	:: else
	fi;
	if
	:: flush -> goto wake
	:: else
	fi;
#endif
	if
	:: open[0] != NONE -> goto asleep
	:: else
	fi;
	if
	:: open[1] != NONE -> goto asleep
	:: else
	fi;
	if
	:: inbox != 0 || waiting != 0 || ready != 0 -> goto asleep
	:: else -> goto wake
	fi;
asleep:	if
	:: kick?_ -> quiet = false
	:: state != PATIENT && due
	fi;
wake:	state = AWAKE;
	goto again;

stopped:
	goto end
}

#define PENDING (called & ~freed)

inline run_callback() {
	atomic {
		assert((c & ~over) == 0);	/* its grace period is over */
		assert((c & ran) == 0);		/* once only */
		ran = ran | c
	}
}

/* finishLocked */
inline finish() {
	atomic {
		outstanding = outstanding & ~c;
		freed = freed | c;
		if
		:: barrier != 0 && (barrier & outstanding) == 0 -> barrier_done = true; barrier = 0
		:: else
		fi;
#ifndef NO_LAST_KICK
		if
		:: outstanding == 0 && (state == ASLEEP || state == PATIENT) -> send_kick()
		:: else
		fi;
#endif
		if
		:: throttled && PENDING == 0 -> throttled = false; unthrottled = true
#ifndef NO_SECOND_FLUSH
		:: throttled && PENDING != 0 && outstanding == 0 -> ask_flush()
#endif
		:: else
		fi
	}
}

/* One is enough: it is started only where there is none. */
active proctype worker() {
	byte c;
	bool found;

end:	workers != 0;
next:	atomic {
		if
		:: ready != 0 -> c = ready; ready = 0
		:: else -> workers--; goto end
		fi
	};
#ifdef FINISHED_FIRST
	finish();
#endif
	run_callback();
#ifndef FINISHED_FIRST
	finish();
#endif
	c = 0;
	goto next
}

inline throttle() {
	do
	:: PENDING == 0 -> break
	:: else ->
		atomic { throttled = true; unthrottled = false };
		if
		:: PENDING == 0 -> throttled = false; break
		:: else
		fi;
		ask_flush();
		unthrottled
	od
}

proctype caller(byte id; byte last) {
	byte me, seen, taken;
	bool found;

	me = id >> 2;
again:
#ifdef THROTTLE
	if
	:: me == 1 -> throttle()
	:: else
	fi;
#endif
#ifdef NOTIFY_LOOKS_FIRST
	seen = state;
#endif
	atomic {
		called = called | id;
		if
#ifdef ALONE
		:: me == 1 -> taken = id; goto push
#endif
		:: else ->
			found = (open[me] != NONE);
			open[me] = open[me] | OPEN | id;
			if
			:: BITS(open[me]) == 3 || EXPEDITED(id) ->
				/* hand over */
				taken = BITS(open[me]);
				open[me] = NONE;
				found = false;
				busy[me] = true;
				goto push
			:: found -> found = false; goto done
			:: else -> goto tell
			fi
		fi
	};
push:	atomic {
		inbox = inbox | taken;
		taken = 0;
		busy[me] = false;
		if
		:: EXPEDITED(id)
		:: else -> goto tell
		fi
	};
	ask_flush();
	goto done;
tell:	notify();
done:	atomic {
		returned = returned | id;
		seen = 0;
		if
		:: id == last -> finished++
		:: else -> id = id << 1; goto again
		fi
	}
}

proctype call_barrier() {
	byte before, taken;
	bool found;

	before = returned;
#ifndef BARRIER_WITHOUT_DRAIN
	drain();
#endif
	intake();
	atomic {
		if
		:: outstanding == 0 -> goto done
		:: else -> barrier = outstanding
		fi
	};
#ifndef BARRIER_WITHOUT_KICK
	wake_up();
#endif
	barrier_done;
done:	assert((before & ~ran) == 0);	/* exact */
	finished++
}

proctype timer() {
	byte n;
	do
	:: n < TICKS -> due = true; n++
	:: true -> break
	od
}

/* Grace periods end, of what is taken in: its goals are committed. */
active proctype readers() {
end:	do
	:: atomic { (waiting & ~over) != 0 -> over = over | waiting }
	od
}

init {
	atomic {
		run caller(1, LAST); run caller(4, 4);
#ifdef BARRIER
		run call_barrier();
#endif
		run timer()
	};
	do
	:: timeout ->
		/* Nothing happens until the next check-in. */
		if
		:: state == STOPPED -> break
		:: else ->
			assert(state == ASLEEP && inbox == 0 && waiting == 0 && !flush);
			assert(BITS(open[0] | open[1]) != 0);
			assert((BITS(open[0] | open[1]) & wanted) == 0);
			assert(finished == PARTIES);
			due = true
		fi
	od;
	assert(ran == ALL && outstanding == 0 && finished == PARTIES && reclaimers == 0)
}
