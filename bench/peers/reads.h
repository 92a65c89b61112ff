/*
 * The families of reading. Before this a scheme defines
 *
 *   reader                    what a thread that reads or writes has to have; reader_begin
 *                             and reader_end get it and give it back
 *   prepare()                 is done before anything else
 *   enter(r), leave(r)        a section; they nest
 *   quiesce(r)                is between two sections, for schemes that want it
 *   follow(p)                 loads a shared pointer
 *   update(r, size, n, free)  shares a new object, and has the old one freed
 *   synchronize(r)            waits for a grace period
 *   append(r, e)              puts an element at the tail of the list
 *   rotate(r, e)              the same, and removes the first one and has it freed
 *   FOR_EACH(e)               a loop over the list
 */
#ifndef READS_H
#define READS_H

#include <sched.h>

#include "objects.h"

static inline void setup(void)
{
	prepare();
	shared.p = new_object(SMALL, 0);
}

static inline void section(reader r)
{
	enter(r);
	leave(r);
	quiesce(r);
}

static inline void section_work(struct worker *w)
{
	reader r = reader_begin();

	do {
		for (unsigned i = 0; i < CHEAP; i++)
			section(r);
	} while (more(w, CHEAP));
	reader_end(r);
}

static inline void measure_section(void)
{
	setup();
	value("ns", rates(job.procs, section_work, NULL, job.ns).ns);
}

static inline void load(reader r)
{
	enter(r);
	KEEP(follow(shared.p)->words[0]);
	leave(r);
	quiesce(r);
}

static inline void load_work(struct worker *w)
{
	reader r = reader_begin();

	do {
		for (unsigned i = 0; i < CHEAP; i++)
			load(r);
	} while (more(w, CHEAP));
	reader_end(r);
}

static inline void measure_load(void)
{
	setup();
	value("ns", rates(job.procs, load_work, NULL, job.ns).ns);
}

/*
 * Who counts instructions looks for this function by its name, and counts in it and below:
 * between two operations is nothing but the loop.
 */
__attribute__((noipa)) static void counted_loop(reader r, unsigned n, bool loads)
{
	if (loads) {
		for (unsigned i = 0; i < n; i++)
			load(r);
	} else {
		for (unsigned i = 0; i < n; i++)
			section(r);
	}
}

static inline void count(bool loads)
{
	setup();
	reader r = reader_begin();
	counted_loop(r, job.param, loads);
	reader_end(r);
}

static inline void count_section(void)
{
	count(false);
}

static inline void count_load(void)
{
	count(true);
}

static inline void nested_work(struct worker *w)
{
	reader r = reader_begin();
	unsigned depth = job.param;

	do {
		for (unsigned i = 0; i < CHEAP; i++) {
			for (unsigned d = 0; d < depth; d++)
				enter(r);
			for (unsigned d = 0; d < depth; d++)
				leave(r);
			quiesce(r);
		}
	} while (more(w, CHEAP));
	reader_end(r);
}

static inline void measure_nested(void)
{
	setup();
	value("ns", rates(job.procs, nested_work, NULL, job.ns).ns);
}

/* Of each thousand operations the last of each 1000/PARAM is an update. */
static inline void swap_work(struct worker *w)
{
	reader r = reader_begin();
	unsigned updates = job.param;
	uint64_t number = 0;

	do {
		unsigned done = 0;
		for (unsigned u = 1; u <= updates; u++) {
			for (; done < u * 1000 / updates - 1; done++)
				load(r);
			update(r, SMALL, ++number, free_object);
			quiesce(r);
			done++;
		}
		for (; done < 1000; done++)
			load(r);
	} while (more(w, 1000));
	reader_end(r);
}

static inline void measure_swap(void)
{
	setup();
	value("ns", rates(job.procs, swap_work, NULL, job.ns).ns);
}

static inline void threads_work(struct worker *w)
{
	reader r = reader_begin();

	do {
		for (unsigned i = 0; i < 100; i++)
			load(r);
		sched_yield();
	} while (more(w, 100));
	reader_end(r);
}

static inline void measure_threads(void)
{
	setup();
	value("ns", job.procs * 1e9 / rates(job.param, threads_work, NULL, job.ns).reads);
}

static inline unsigned others(void)
{
	return job.procs > 1 ? job.procs - 1 : 1;
}

static inline void long_work(struct worker *w)
{
	reader r = reader_begin();

	do {
		enter(r);
		struct object *o = follow(shared.p);
		for (uint64_t end = now() + job.param * 1000ULL; now() < end;)
			;
		KEEP(o->words[0]);
		leave(r);
		quiesce(r);
	} while (more(w, 1));
	reader_end(r);
}

static inline void long_writer(struct worker *w)
{
	reader r = reader_begin();
	uint64_t number = 0;

	do {
		update(r, SMALL, ++number, free_object);
		synchronize(r);
	} while (more(w, 1));
	reader_end(r);
}

static inline void measure_long(void)
{
	setup();
	struct rates x = rates(others(), long_work, long_writer, job.ns);
	value("updates", x.updates);
	value("reads", x.reads);
}

/* setup_list makes a list whose order in memory is no order. */
static inline void setup_list(void)
{
	struct element **all = allocate(LINE, job.param * sizeof *all);
	uint64_t state = job.seed;

	prepare();
	for (unsigned i = 0; i < job.param; i++)
		all[i] = new_element(i);
	for (unsigned i = job.param; i > 1; i--) {
		unsigned other = random_below(&state, i);
		struct element *e = all[i - 1];
		all[i - 1] = all[other];
		all[other] = e;
	}
	reader r = reader_begin();
	for (unsigned i = 0; i < job.param; i++)
		append(r, all[i]);
	reader_end(r);
	free(all);
}

static inline void walk_work(struct worker *w)
{
	reader r = reader_begin();
	unsigned walks = job.param < CHEAP ? CHEAP / job.param : 1;

	do {
		for (unsigned i = 0; i < walks; i++) {
			struct element *e;
			uint64_t sum = 0;
			enter(r);
			FOR_EACH(e)
				sum += e->key;
			leave(r);
			quiesce(r);
			KEEP(sum);
		}
	} while (more(w, walks));
	reader_end(r);
}

static inline void rotate_work(struct worker *w)
{
	reader r = reader_begin();
	uint64_t key = 0;

	do {
		rotate(r, new_element(++key));
		quiesce(r);
	} while (more(w, 1));
	reader_end(r);
}

static inline void measure_walk(void)
{
	setup_list();
	value("ns", rates(job.procs, walk_work, NULL, job.ns).ns);
}

static inline void measure_walk_beside(void)
{
	setup_list();
	struct rates x = rates(others(), walk_work, rotate_work, job.ns);
	value("ns", x.ns);
	value("updates", x.updates);
}

#endif
