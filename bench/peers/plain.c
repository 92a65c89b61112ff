/*
 * What needs no library: a lock for readers and writers, and the floors. To build it:
 *
 *   gcc -O2 -g -Wall -Wextra -pthread -o plain plain.c bench.c -lm
 *
 * The lock lets readers pass a writer that waits, so a writer beside readers may never get
 * it. It is in no family whose measurement would never end then.
 */
#define _GNU_SOURCE
#include <sys/queue.h>

#include "bench.h"

/* An object is filled in place, and freed at once. */
typedef struct {
	char nothing;
} deferred;
#define LINK TAILQ_ENTRY(element)

#include "objects.h"

#define LOCK "pthread-rwlock"

static struct {
	_Alignas(LINE) pthread_rwlock_t lock;
} all = {.lock = PTHREAD_RWLOCK_INITIALIZER};

typedef int reader;

static reader reader_begin(void)
{
	return 0;
}

static void reader_end(reader r)
{
	(void)r;
}

static void prepare(void)
{
}

static inline void enter(reader r)
{
	(void)r;
	pthread_rwlock_rdlock(&all.lock);
}

static inline void leave(reader r)
{
	(void)r;
	pthread_rwlock_unlock(&all.lock);
}

static inline void quiesce(reader r)
{
	(void)r;
}

#define follow(p) (p)

static inline void update(reader r, size_t size, uint64_t number, void (*f)(deferred *))
{
	(void)r;
	(void)f;
	pthread_rwlock_wrlock(&all.lock);
	fill(shared.p, size, number);
	pthread_rwlock_unlock(&all.lock);
}

/* Who has had the lock has waited. */
static inline void synchronize(reader r)
{
	(void)r;
}

static struct {
	_Alignas(LINE) TAILQ_HEAD(, element) head;
} list = {TAILQ_HEAD_INITIALIZER(list.head)};

#define FOR_EACH(e) TAILQ_FOREACH(e, &list.head, link)

static inline void append(reader r, struct element *e)
{
	(void)r;
	TAILQ_INSERT_TAIL(&list.head, e, link);
}

static inline void rotate(reader r, struct element *e)
{
	(void)r;
	pthread_rwlock_wrlock(&all.lock);
	struct element *old = TAILQ_FIRST(&list.head);
	TAILQ_REMOVE(&list.head, old, link);
	TAILQ_INSERT_TAIL(&list.head, e, link);
	pthread_rwlock_unlock(&all.lock);
	free_element(&old->head);
}

#include "reads.h"

/* The floors. A word on cache lines of its own is on the stack of its thread. */
struct alone {
	_Alignas(LINE) uint64_t word;
};

static void loop_work(struct worker *w)
{
	do {
		for (unsigned i = 0; i < CHEAP; i++)
			KEEP(i);
	} while (more(w, CHEAP));
}

static void store_work(struct worker *w)
{
	struct alone a;

	do {
		for (unsigned i = 0; i < CHEAP; i++)
			*(volatile uint64_t *)&a.word = i;
	} while (more(w, CHEAP));
}

static void add_work(struct worker *w)
{
	struct alone a = {0};

	do {
		for (unsigned i = 0; i < CHEAP; i++)
			__atomic_fetch_add(&a.word, 1, __ATOMIC_SEQ_CST);
	} while (more(w, CHEAP));
}

static void measure_loop(void)
{
	value("ns", rates(job.procs, loop_work, NULL, job.ns).ns);
}

static void measure_store(void)
{
	value("ns", rates(job.procs, store_work, NULL, job.ns).ns);
}

static void measure_add(void)
{
	value("ns", rates(job.procs, add_work, NULL, job.ns).ns);
}

int main(int argc, char **argv)
{
	return answer(argc, argv, (const struct pair[]){
		{"floor", "c-empty-loop", measure_loop, ANY},
		{"floor", "c-plain-store", measure_store, ANY},
		{"floor", "c-locked-add", measure_add, ANY},
		{INSTRUCTIONS, LOCK, count_section, POSITIVE},
		{INSTRUCTIONS, LOCK "+load", count_load, POSITIVE},
		{"section", LOCK, measure_section, ANY},
		{"load", LOCK, measure_load, ANY},
		{"nested", LOCK, measure_nested, POSITIVE},
		{"swap", LOCK, measure_swap, PER_MILLE},
		{"threads", LOCK, measure_threads, MANY},
		{"long", LOCK, measure_long, ANY},
		{"walk", LOCK, measure_walk, MANY},
		{"walk-beside", LOCK, measure_walk_beside, MANY},
		{NULL, NULL, NULL, 0, 0},
	});
}
