#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job job;
struct phase phase;

static const char *program;

static void complain(const char *why, va_list args)
{
	fprintf(stderr, "%s: ", program);
	vfprintf(stderr, why, args);
	fputc('\n', stderr);
}

void fail(const char *why, ...)
{
	va_list args;

	va_start(args, why);
	complain(why, args);
	va_end(args);
	_Exit(1); /* half an answer may be in the buffer, and threads run */
}

__attribute__((format(printf, 2, 3), noreturn)) static void refuse(int status, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	complain(why, args);
	va_end(args);
	_Exit(status);
}

static uint64_t number(const char *what, const char *s, uint64_t low, uint64_t high)
{
	char *end;

	errno = 0;
	uint64_t n = strtoull(s, &end, 10);
	if (errno != 0 || *s < '0' || *s > '9' || *end != '\0' || n < low || n > high)
		refuse(2, "%s can't be \"%s\"", what, s);
	return n;
}

/* keep_processors leaves the program the first of those it may run on. */
static void keep_processors(unsigned n)
{
	cpu_set_t all, first;
	unsigned kept = 0;

	if (sched_getaffinity(0, sizeof all, &all) != 0)
		fail("sched_getaffinity: %s", strerror(errno));
	CPU_ZERO(&first);
	for (int cpu = 0; cpu < CPU_SETSIZE && kept < n; cpu++) {
		if (CPU_ISSET(cpu, &all)) {
			CPU_SET(cpu, &first);
			kept++;
		}
	}
	if (kept < n)
		fail("there are %u processors, not %u", kept, n);
	if (sched_setaffinity(0, sizeof first, &first) != 0)
		fail("sched_setaffinity: %s", strerror(errno));
}

static unsigned values;

int answer(int argc, char **argv, const struct pair *pairs)
{
	const char *slash = strrchr(argv[0], '/');
	const struct pair *p;

	program = slash != NULL ? slash + 1 : argv[0];
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (p = pairs; p->family != NULL; p++)
			printf("%s %s\n", p->family, p->peer);
		return 0;
	}
	bool count = argc > 1 && strcmp(argv[1], INSTRUCTIONS) == 0;
	if (argc != (count ? 4 : 7))
		refuse(2, "usage: %s list | FAMILY PEER PARAM PROCS MILLISECONDS SEED | "
			  INSTRUCTIONS " PATH N", program);
	for (p = pairs; p->family != NULL; p++) {
		if (strcmp(p->family, argv[1]) == 0 && strcmp(p->peer, argv[2]) == 0)
			break;
	}
	if (p->family == NULL)
		refuse(3, "there is no %s of %s", argv[1], argv[2]);
	job.param = number(count ? "N" : "PARAM", argv[3], p->low, p->high);
	if (count) {
		p->measure();
		_Exit(0);
	}
	job.procs = number("PROCS", argv[4], 1, CPU_SETSIZE);
	job.ns = number("MILLISECONDS", argv[5], 1, UINT32_MAX) * 1000000;
	job.seed = number("SEED", argv[6], 0, UINT64_MAX);
	keep_processors(job.procs);
	p->measure();
	printf("%s}\n", values == 0 ? "{" : "");
	if (fflush(stdout) != 0)
		fail("stdout: %s", strerror(errno));
	_Exit(0); /* a library's thread may be at work, and must not find the library gone */
}

void value(const char *name, double x)
{
	if (!isfinite(x))
		fail("%s is not a number", name);
	printf("%s\"%s\":%.6g", values++ == 0 ? "{" : ",", name, x);
}

void *allocate(size_t align, size_t size)
{
	void *p = aligned_alloc(align, (size + align - 1) / align * align);

	if (p == NULL)
		fail("no memory for %zu bytes", size);
	return p;
}

static struct worker *workers;
static unsigned readers, writers;
static pthread_barrier_t begin;
static sem_t ended;

/* The phases. */
enum { WARM, MEASURED, OVER };

/* Whoever finds that it is over, and was not measured, does what it does once more. */
bool turn(struct worker *w, int p)
{
	if (w->phase == WARM) {
		w->phase = MEASURED;
		w->before = w->ops;
		w->began = now();
		return true;
	}
	w->phase = p;
	w->ended = now();
	return false;
}

void end_early(struct worker *w)
{
	w->ended = now();
	sem_post(&ended);
}

static void *run(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&begin);
	w->work(w);
	return NULL;
}

static void launch(struct worker *w, const pthread_attr_t *attr, void (*work)(struct worker *))
{
	memset(w, 0, sizeof *w);
	w->work = work;
	w->index = w - workers;
	int err = pthread_create(&w->thread, attr, run, w);
	if (err != 0)
		fail("thread %u of %u: %s", w->index + 1, readers + writers, strerror(err));
}

static uint64_t counted(const struct worker *w)
{
	return __atomic_load_n(&w->ops, __ATOMIC_RELAXED);
}

static void rest(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void start(unsigned r, void (*read)(struct worker *), void (*write)(struct worker *))
{
	pthread_attr_t attr;

	readers = r;
	writers = write != NULL;
	free(workers);
	workers = allocate(LINE, (readers + writers + 1) * sizeof *workers);
	phase.now = WARM;
	sem_init(&ended, 0, 0);
	pthread_barrier_init(&begin, NULL, readers + writers + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10); /* there may be thousands */
	for (unsigned i = 0; i < readers; i++)
		launch(&workers[i], &attr, read);
	if (writers > 0)
		launch(&workers[readers], &attr, write);
	pthread_attr_destroy(&attr);
	pthread_barrier_wait(&begin);
	for (unsigned i = 0; i < readers; i++) {
		while (counted(&workers[i]) == 0)
			rest();
	}
	/* A writer may have to wait for as long as there are readers. */
	uint64_t end = now() + 100000000;
	while (writers > 0 && counted(&workers[readers]) == 0 && now() < end)
		rest();
}

void finish(void)
{
	__atomic_store_n(&phase.now, OVER, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < readers + writers; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&begin);
	sem_destroy(&ended);
}

static uint64_t reads(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < readers; i++)
		sum += counted(&workers[i]);
	return sum;
}

struct rates rates(unsigned r, void (*read)(struct worker *), void (*write)(struct worker *),
		   uint64_t ns)
{
	start(r, read, write);
	uint64_t began = now(), before = reads(), end = began + ns;
	__atomic_store_n(&phase.now, MEASURED, __ATOMIC_RELAXED);
	struct timespec t = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
	while (sem_clockwait(&ended, CLOCK_MONOTONIC, &t) != 0 && errno == EINTR)
		;
	struct rates x = {.reads = (reads() - before) * 1e9 / (now() - began)};
	finish();
	double ops = 0, took = 0;
	for (unsigned i = 0; i < readers; i++) {
		ops += workers[i].ops - workers[i].before;
		took += workers[i].ended - workers[i].began;
	}
	x.ns = took / ops;
	if (writers > 0) {
		struct worker *w = &workers[readers];
		x.updates = (w->ops - w->before) * 1e9 / (w->ended - w->began);
	}
	return x;
}

#define MOST (1 << 20)

void sample(struct samples *s, uint64_t ns)
{
	if (s->all == NULL) {
		s->all = allocate(LINE, MOST * sizeof *s->all);
		s->every = 1;
	}
	if (s->skip > 0) {
		s->skip--;
		return;
	}
	s->skip = s->every - 1;
	s->all[s->n++] = ns;
	if (s->n == MOST) {
		for (size_t i = 0; i < MOST / 2; i++)
			s->all[i] = s->all[2 * i];
		s->n = MOST / 2;
		s->every *= 2;
		s->skip = s->every - 1;
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct quantiles quantiles(struct samples *s)
{
	double sum = 0;

	if (s->n == 0)
		fail("no samples");
	qsort(s->all, s->n, sizeof *s->all, by_size);
	for (size_t i = 0; i < s->n; i++)
		sum += s->all[i];
	struct quantiles q = {
		.p50 = s->all[s->n / 2],
		.p99 = s->all[s->n * 99 / 100],
		.max = s->all[s->n - 1],
		.mean = sum / s->n,
	};
	free(s->all);
	return q;
}

struct zipf zipf_make(unsigned n, double s)
{
	struct zipf z = {.sums = allocate(LINE, n * sizeof *z.sums), .n = n};
	double sum = 0;

	for (unsigned i = 0; i < n; i++)
		z.sums[i] = sum += pow(i + 1.0, -s);
	return z;
}

unsigned zipf_next(const struct zipf *z, uint64_t *state)
{
	double x = random_below(state, 1ULL << 53) * 0x1p-53 * z->sums[z->n - 1];
	unsigned low = 0, high = z->n - 1;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (x < z->sums[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
