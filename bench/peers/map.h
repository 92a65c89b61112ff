/*
 * The family map. Besides what is in waits.h a scheme defines
 *
 *   map_make()            makes the map
 *   map_load(r, key)      returns a copy of what is there; something is
 *   map_store(r, key, c)  puts c in place of what is there, if anything is
 */
#ifndef MAP_H
#define MAP_H

#include <malloc.h>

#include "waits.h"

#define SPREAD 0x9e3779b97f4a7c15 /* from a key's number to the key */

/* Work is a list of operations: a key's number, and above it whether to store to it. */
#define STORE (1u << 31)
#define WORK (1u << 18)
#define PIECE (1u << 10) /* of it, between two looks at the flag */

static uint32_t work[WORK];

static inline void do_work(reader r, const uint32_t *some, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t key = (some[i] & ~STORE) * SPREAD;
		if (some[i] & STORE) {
			map_store(r, key, (struct content){{key, i}});
		} else {
			struct content c = map_load(r, key);
			if (c.words[0] != key)
				fail("not what was stored");
			KEEP(c.words[1]);
			KEEP(c.words[2]);
			KEEP(c.words[3]);
		}
		quiesce(r);
	}
}

/* Each begins at another place of the work. */
static inline void map_work(struct worker *w)
{
	reader r = reader_begin();
	unsigned at = (uint64_t)WORK * w->index / job.procs / PIECE * PIECE;

	do {
		do_work(r, work + at, PIECE);
		at = (at + PIECE) % WORK;
	} while (more(w, PIECE));
	reader_end(r);
}

/* allocated is what malloc has given out, and mapped where that was too much for a heap. */
static inline double allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return (double)m.uordblks + m.hblkhd;
}

static inline uint64_t processor_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* settle waits until no thread does anything any more: resizes, calls. */
static inline void settle(void)
{
	uint64_t before, after = processor_time();

	do {
		before = after;
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
		after = processor_time();
	} while (after - before > 1000000);
}

static inline void map_fill(void)
{
	reader r = reader_begin();

	for (uint32_t i = 0; i < job.param; i++)
		do_work(r, &(uint32_t){i | STORE}, 1);
	barrier(r);
	reader_end(r);
	settle();
}

static const struct {
	const char *name;
	unsigned loads; /* of 100 */
	bool zipf;
} mixes[] = {
	{"load", 100, false}, {"load99", 99, false}, {"load90", 90, false}, {"load50", 50, false},
	{"store", 0, false}, {"zipf-load", 100, true}, {"zipf-load90", 90, true},
};

#define MIXES (sizeof mixes / sizeof *mixes)

static inline void measure_map(void)
{
	uint64_t state = job.seed;

	prepare();
	double before = allocated();
	map_make();
	map_fill();
	value("bytes", (allocated() - before) / job.param);

	struct zipf z = zipf_make(job.param, 1.1);
	for (unsigned m = 0; m < MIXES; m++) {
		for (unsigned i = 0; i < WORK; i++) {
			work[i] = mixes[m].zipf ? zipf_next(&z, &state)
						: random_below(&state, job.param);
			if (random_below(&state, 100) >= mixes[m].loads)
				work[i] |= STORE;
		}
		value(mixes[m].name, rates(job.procs, map_work, NULL, job.ns / MIXES).ns);
		/* What this one deferred is no matter of the next one's. */
		reader r = reader_begin();
		barrier(r);
		reader_end(r);
	}
	free(z.sums);
}

#endif
