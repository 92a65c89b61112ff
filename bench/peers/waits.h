/*
 * The families of deferred calls and of grace periods. Besides what is in reads.h a scheme
 * defines
 *
 *   defer(r, head, f)  calls f(head) after a grace period
 *   barrier(r)         waits until all that was deferred has been called
 */
#ifndef WAITS_H
#define WAITS_H

#include <string.h>
#include <unistd.h>

#include "reads.h"

struct counted {
	_Alignas(64) deferred head;
};

static uint64_t called; /* by whoever makes the calls; read after a barrier */

static inline void count_call(deferred *head)
{
	(void)head;
	called++;
}

static inline void measure_call(void)
{
	unsigned burst = job.param;
	struct counted *all = allocate(LINE, burst * sizeof *all);
	uint64_t calling = 0, total = 0, bursts = 0;

	prepare();
	memset(all, 0, burst * sizeof *all); /* so that it is there */
	reader r = reader_begin();
	while (total < job.ns) {
		uint64_t began = now();
		for (unsigned i = 0; i < burst; i++)
			defer(r, &all[i].head, count_call);
		uint64_t between = now();
		barrier(r);
		uint64_t end = now();
		if (called != ++bursts * burst)
			fail("a call was not made");
		if (bursts > 1) { /* the first is to warm up */
			calling += between - began;
			total += end - began;
		}
	}
	reader_end(r);
	free(all);
	double calls = (double)(bursts - 1) * burst;
	value("ns", calling / calls);
	value("all", total / calls);
}

struct sent {
	deferred head;
	uint64_t at;
};

static struct samples delays; /* by whoever makes the calls, one after another */

static inline void receive(deferred *head)
{
	struct sent *s = (struct sent *)head;

	sample(&delays, now() - s->at);
	free(s);
}

static inline void measure_callback(void)
{
	setup();
	start(job.procs - 1, load_work, NULL);
	reader r = reader_begin();
	uint64_t next = now(), end = next + job.ns;
	do {
		while (now() < next) {
			quiesce(r);
			sched_yield();
		}
		struct sent *s = allocate(16, sizeof *s);
		s->at = now();
		defer(r, &s->head, receive);
		next += 100000;
	} while (next < end);
	barrier(r);
	reader_end(r);
	finish();
	struct quantiles q = quantiles(&delays);
	value("p50", q.p50);
	value("p99", q.p99);
	value("max", q.max);
}

static inline void time_waits(unsigned readers, void (*wait)(reader))
{
	struct samples s = {0};

	setup();
	start(readers, load_work, NULL);
	reader r = reader_begin();
	wait(r); /* warm */
	uint64_t began, end = now() + job.ns;
	do {
		began = now();
		wait(r);
		sample(&s, now() - began);
	} while (now() < end);
	reader_end(r);
	finish();
	struct quantiles q = quantiles(&s);
	value("p50", q.p50);
	value("p99", q.p99);
	value("mean", q.mean);
}

static inline void call_and_wait(reader r)
{
	static struct counted one;
	uint64_t before = called;

	defer(r, &one.head, count_call);
	barrier(r);
	if (called != before + 1)
		fail("a call was not made");
}

static inline void measure_synchronize(void)
{
	time_waits(job.param, synchronize);
}

static inline void measure_barrier(void)
{
	time_waits(job.param, call_and_wait);
}

static inline void measure_oversub(void)
{
	time_waits(job.param * job.procs, synchronize);
}

/* The readers that scan_work finds are up to the scheme. */
static inline void scan_work(struct worker *w)
{
	reader r = reader_begin();

	do
		synchronize(r);
	while (more(w, 1));
	reader_end(r);
}

/* A flood ends when so many bytes wait to be freed, or half of what the machine has left. */
#define FLOOD (4ULL << 30)

static struct {
	_Alignas(LINE) uint64_t freed; /* objects, by whoever makes the calls */
	_Alignas(LINE) uint64_t peak; /* bytes, by the writer */
} flood;

static inline void free_flooded(deferred *head)
{
	free(head);
	__atomic_store_n(&flood.freed, flood.freed + 1, __ATOMIC_RELAXED);
}

/*
 * The peak is looked at in one of 13 updates: seldom enough that the count of what was
 * freed is not fetched from another processor all the time, and not in step with schemes
 * that free by the batch. The count is read before the update, for some free at once what
 * has waited for a moment.
 */
static inline void flood_writer(struct worker *w)
{
	enum { LOOK = 13 };
	reader r = reader_begin();
	uint64_t unlinked = 0;
	uint64_t most = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE) / 2;

	if (most > FLOOD)
		most = FLOOD;
	do {
		uint64_t freed = __atomic_load_n(&flood.freed, __ATOMIC_RELAXED);
		uint64_t waiting = (unlinked + 1 - freed) * BIG;
		if (waiting > flood.peak)
			flood.peak = waiting;
		for (unsigned i = 0; i < LOOK; i++) {
			update(r, BIG, ++unlinked, free_flooded);
			quiesce(r);
		}
		if (flood.peak >= most && w->began != 0) {
			end_early(w);
			break;
		}
	} while (more(w, LOOK));
	reader_end(r);
}

static inline void measure_flood(void)
{
	prepare();
	shared.p = new_object(BIG, 0);
	value("updates", rates(job.param, load_work, flood_writer, job.ns).updates);
	value("peak", flood.peak);
}

#endif
