/*
 * Stop-the-world sections of package stw: who leads, who takes part, blocked
 * domains that others act for, domains that come and go.
 *
 * What is modelled, and where it is in the code:
 *
 *   leader, snapshot of the set     World.lead, under World.mu: one atomic step
 *   telling participants            Stop.tell: one atomic step each, under Domain.mu
 *   clear pending, then look        Domain.pollSlow: two steps
 *   enter, barrier, exit            Stop.takePart, Stop.Barrier, Stop.exit
 *   phases                          phase: all but serving and suspended
 *   Blocking, and its stand-in      EnterBlocking, serveBlocked, endService, leaveBlocking
 *   joining                         World.join; or by the last one out, Stop.end
 *   leaving                         World.leave; or likewise, World.dismissLocked
 *
 * Properties:
 *
 *   safety     While the last one in runs its part of the handler, no domain of the
 *              set runs code of its user's. A domain runs none while its own handler
 *              has not ended. A stop begins only when the last one is over. Every
 *              participant runs the handler exactly once.
 *   progress   Every stop that begins ends; every domain that wants to join, to come
 *              back from Blocking or to end does: in the end nobody waits but
 *              domains that have nothing to do.
 *
 * Domain 0 never ends: it goes on polling, so that a lost request is not made up for
 * by its end. The others join, do STEPS things of their choice, and end.
 *
 * Verified by model/run; its mutants need one step only:
 *
 *   safety    -DSTEPS=2
 *   progress
 *
 * Mutants, each refuted:
 *
 *   LEAVE_WITHOUT_LOCK   a domain ends without looking whether a stop counts on it
 *   RETURNS_IN_SERVICE   a blocked domain comes back while somebody acts for it
 *   CLEARED_AFTER        pending is cleared after the owner looked, not before
 *   LEADER_ENDS          the leader, not the last one out, ends the stop
 *   JOINS_DURING_STOP    a domain joins without waiting for the stop to end
 *   TOLD_TOO_EARLY       participants are told before the counts are set
 */

#ifndef N
#define N 3
#endif
#ifndef STEPS
#define STEPS 1
#endif

#define STARTING 0
#define RUNNING  1
#define BLOCKED  2
#define SERVED   3	/* blocked, and a stand-in acts for it */
#define RETURNING 4	/* waits in LeaveBlocking for the end of the service */
#define ENDING   5	/* waits in World.leave */
#define ENDING_SERVED 6	/* and a stand-in acts for it */
#define DEAD     7

byte phase[N];		/* under the domain's lock */
bool inset[N];		/* under the world's lock */
bool asked[N];		/* Domain.stop: a stop that it has yet to take part in */
bool pending[N];
bool user[N];		/* runs code of its user's */

bool stopped;		/* World.stop: somebody leads */
bool part[N];		/* of the stop: its participants, */
byte ran[N];		/* how often each has run the handler, */
byte entry;		/* how many have yet to come in, */
byte inside;		/* how many have yet to exit, */
byte arrived;		/* how many wait at the barrier in the handler, */
byte parties;		/* of how many, */
bool sense;		/* and its phase */

#define ALL_QUIET (!user[0] && !user[1] && !user[2])

/* Domain.beginServiceLocked: a domain that is blocked or ending gets a stand-in. */
inline begin_service(j) {
	if
	:: phase[j] == BLOCKED -> phase[j] = SERVED
	:: phase[j] == ENDING -> phase[j] = ENDING_SERVED
	:: else
	fi
}

/* Domain.endServiceLocked: of a domain that is coming back the owner does the rest. */
inline end_service(j) {
	if
	:: phase[j] == SERVED -> phase[j] = BLOCKED
	:: phase[j] == RETURNING -> phase[j] = RUNNING
	:: phase[j] == ENDING_SERVED -> phase[j] = ENDING
	:: else
	fi
}

/* Under both locks: domain j is asked. */
inline ask(j) {
	asked[j] = true;
	pending[j] = true;
	begin_service(j)
}

#define MAY_LEAVE(j) (phase[j] == ENDING && !asked[j])

/* Stop.end, under the world's lock: those that wait to join are let in, and those
 * that wait to leave, and of which nothing is asked, are let out. */
inline end_stop() {
	i = 0;
	do
	:: i < N && joining[i] ->
		phase[i] = RUNNING; inset[i] = true; joining[i] = false; i++
	:: i < N && MAY_LEAVE(i) ->
		phase[i] = DEAD; inset[i] = false; i++
	:: i < N && !joining[i] && !MAY_LEAVE(i) -> i++
	:: i == N -> break
	od;
	i = 0;
	stopped = false
}

bool joining[N];

/* Stop.takePart for domain d, by its owner or its stand-in. lead: it is the leader's. */
inline take_part(d, lead, stands_in) {
	atomic { assert(entry > 0); entry-- };
	(entry == 0);
	/* The handler: one barrier, whose last party looks around. */
	atomic {
		ran[d]++;
		mine = sense;
		if
		:: arrived + 1 < parties -> arrived++; last = false
		:: else -> last = true
		fi
	};
	if
	:: last ->
		assert(ALL_QUIET);
		atomic { arrived = 0; sense = !sense }
	:: else ->
		(sense != mine)
	fi;
	/* endService, before Stop.exit: no other stop can have asked yet. */
	if
	:: stands_in -> atomic { assert(!asked[d]); end_service(d) }
	:: else
	fi;
	/* Stop.exit */
	atomic {
		assert(inside > 0);
		inside--;
#ifdef LEADER_ENDS
		if
		:: lead -> end_stop()
		:: else
		fi
#else
		if
		:: inside == 0 -> end_stop()
		:: else
		fi
#endif
	}
}

/* Domain.pollSlow, by the owner. */
inline poll(d) {
	if
	:: pending[d] ->
#ifndef CLEARED_AFTER
		pending[d] = false;
#endif
		atomic { look = asked[d]; asked[d] = false };
		if
		:: look -> take_part(d, false, false)
		:: else
		fi;
#ifdef CLEARED_AFTER
		pending[d] = false
#endif
	:: else
	fi
}

inline count_set() {
	i = 0; n = 0;
	do
	:: i < N ->
		part[i] = inset[i];
		ran[i] = 0;
		if
		:: inset[i] -> n++
		:: else
		fi;
		i++
	:: i == N -> break
	od;
	i = 0
}

inline set_counts() {
	entry = n; inside = n; parties = n; arrived = 0
}

/* World.TryRunOnAll */
inline try_lead(d) {
	atomic {
		if
		:: !stopped ->
			assert(inside == 0);
			stopped = true;
			leads = true;
			count_set();
#ifndef TOLD_TOO_EARLY
			set_counts()
#endif
		:: else -> leads = false
		fi
	};
	if
	:: leads ->
		j = 0;
		do
		:: j < N && j != d && part[j] -> atomic { ask(j); j++ }
		:: j < N && !(j != d && part[j]) -> j++
		:: j == N -> break
		od;
		j = 0;
#ifdef TOLD_TOO_EARLY
		atomic { set_counts() };
#endif
		take_part(d, true, false);
		(!stopped || ran[d] == 0)	/* the leader waits for the end; another may have begun */
	:: else ->
		poll(d)
	fi
}

/* Domain.serveBlocked: the stand-in of a blocked domain, one for each domain here, asleep
 * while there is nothing to do. */
proctype stand_in(byte d) {
	bool look, last, mine;
	byte i;
end:	do
	:: phase[d] == SERVED || phase[d] == RETURNING || phase[d] == ENDING_SERVED ->
		atomic { look = asked[d]; asked[d] = false };
		if
		:: look -> take_part(d, false, true)
		:: else -> atomic { end_service(d) }
		fi
	od
}

inline run_user_code(d) {
	atomic {
		/* Not between coming in and the end of its handler. */
		assert(!(stopped && part[d] && entry == 0 && ran[d] == 0));
		user[d] = true
	};
	user[d] = false
}

inline block(d) {
	atomic {
		phase[d] = BLOCKED;
		if
		:: asked[d] -> begin_service(d)
		:: else
		fi
	}
}

inline unblock(d) {
	atomic {
		if
		:: phase[d] == BLOCKED -> phase[d] = RUNNING
		:: phase[d] == SERVED -> phase[d] = RETURNING
		fi
	};
#ifndef RETURNS_IN_SERVICE
	(phase[d] == RUNNING);
#endif
	poll(d)
}

proctype domain(byte d) {
	bool look, last, mine, leads;
	byte i, j, n, steps;

	/* World.join */
	atomic {
		if
#ifndef JOINS_DURING_STOP
		:: stopped -> joining[d] = true
		:: !stopped -> phase[d] = RUNNING; inset[d] = true
#else
		:: phase[d] = RUNNING; inset[d] = true
#endif
		fi
	};
	(phase[d] == RUNNING);

	do
	:: steps < STEPS ->
		run_user_code(d);
		if
		:: true -> poll(d)
		:: true -> try_lead(d)
		:: true -> block(d); unblock(d)
		fi;
		steps++
	:: steps == STEPS -> break
	od;
	run_user_code(d);

	if
	:: d == 0 ->
		/* Polls for ever, and has nothing else to do. */
end:		do
		:: pending[d] -> poll(d)
		od
	:: else ->
		/* World.leave */
		atomic {
			phase[d] = ENDING;
			if
			:: asked[d] -> begin_service(d)
			:: else
			fi
		};
		atomic {
			if
			:: phase[d] == DEAD	/* the last one out of a stop did it */
#ifndef LEAVE_WITHOUT_LOCK
			:: !stopped && MAY_LEAVE(d) ->
#else
			:: MAY_LEAVE(d) ->
#endif
				phase[d] = DEAD;
				inset[d] = false
			fi
		}
	fi
}

init {
	byte k;
	atomic {
		k = 0;
		do
		:: k < N -> run stand_in(k); run domain(k); k++
		:: k == N -> break
		od
	};
	/* In the end all have ended but domain 0, and no stop is left. */
end:	(phase[1] == DEAD && phase[2] == DEAD && !stopped);
	timeout;
	assert(!stopped && inside == 0)
}
