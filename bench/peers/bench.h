/*
 * What the peers in C have in common. README.md, in this folder, says how they are asked
 * and what they answer.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define LINE 128 /* bytes: processors fetch cache lines in pairs */
#define CHEAP 1000 /* so many cheap operations between two looks at the flag that ends it */

/* KEEP has the compiler believe that somebody needs a value. */
#define KEEP(x) __asm__ volatile("" : : "r"(x))

/* What is asked for. */
struct job {
	unsigned param; /* or N: of the family INSTRUCTIONS this is all */
	unsigned procs;
	uint64_t ns; /* to measure for */
	uint64_t seed;
};

extern struct job job;

/* A pair is a family and a peer that the program has, and what PARAM may be, or N. */
struct pair {
	const char *family, *peer;
	void (*measure)(void);
	unsigned low, high;
};

#define INSTRUCTIONS "instructions" /* whose pairs answer nothing */

#define ANY 0, INT32_MAX
#define POSITIVE 1, INT32_MAX
#define PER_MILLE 0, 1000
#define READERS 0, 1 << 20
#define MANY 1, 1 << 20

/* answer is all that main does. The pairs end with one that has no family. */
int answer(int argc, char **argv, const struct pair *pairs);

/* value adds a number to the answer. */
void value(const char *name, double x);

/* fail says why there is no answer, and ends the program. */
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *why, ...);

/* allocate is aligned_alloc that does not fail. */
void *allocate(size_t align, size_t size);

static inline uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A worker is a thread. It counts its operations, and takes its own time. */
struct worker {
	_Alignas(LINE) uint64_t ops; /* until now */
	uint64_t before; /* of them, not measured */
	uint64_t began, ended; /* when the others were */
	int phase; /* that it knows of */
	void (*work)(struct worker *);
	unsigned index;
	pthread_t thread;
};

extern struct phase {
	_Alignas(LINE) int now;
} phase;

/* turn is for a worker that finds a new phase. */
bool turn(struct worker *w, int phase);

/* more counts operations, and says whether to go on. */
static inline bool more(struct worker *w, uint64_t ops)
{
	__atomic_store_n(&w->ops, w->ops + ops, __ATOMIC_RELAXED);
	int p = __atomic_load_n(&phase.now, __ATOMIC_RELAXED);
	return __builtin_expect(p == w->phase, true) || turn(w, p);
}

/*
 * start has readers, and a writer if there is one, work until finish, and returns when
 * all have begun: each reader has counted something.
 */
void start(unsigned readers, void (*read)(struct worker *), void (*write)(struct worker *));
void finish(void);

/* Rates are what the workers of one measurement did. */
struct rates {
	double ns; /* of one reader for one operation, by the readers' own time */
	double reads; /* a second, of all */
	double updates; /* a second of the writer's own time */
};

/* rates starts workers, measures for some time, and finishes. */
struct rates rates(unsigned readers, void (*read)(struct worker *), void (*write)(struct worker *),
		   uint64_t ns);

/* end_early is for a writer that has had enough of being measured. */
void end_early(struct worker *w);

/*
 * Samples are times. When there are a million, every second one is kept, and from then on
 * every second one is taken, and so on.
 */
struct samples {
	uint64_t *all;
	size_t n, every, skip;
};

struct quantiles {
	double p50, p99, max, mean;
};

void sample(struct samples *s, uint64_t ns);
struct quantiles quantiles(struct samples *s); /* of samples that nobody needs any more */

/* mix has each bit of the result depend on all of x. */
static inline uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
	return x ^ x >> 32;
}

/* random_below returns a number below n. The state may begin with any number. */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	*state += 0x9e3779b97f4a7c15;
	return (uint64_t)((unsigned __int128)mix(*state) * n >> 64);
}

/* Zipf's law: number i comes up in proportion to (i+1)^-s. sums adds that up. */
struct zipf {
	double *sums;
	unsigned n;
};

struct zipf zipf_make(unsigned n, double s);
unsigned zipf_next(const struct zipf *z, uint64_t *state);

#endif
