/*
 * ck_epoch of Concurrency Kit, with its lists and its hash set. On Debian: apt-get install
 * libck-dev; then
 *
 *   gcc -O2 -g -Wall -Wextra -pthread -o ck ck.c bench.c -lck -lm
 *
 * It has no thread that makes the calls: whoever deferred them polls. So there is no
 * callback here, whose time would be that of the poll.
 */
#define _GNU_SOURCE
#include <ck_epoch.h>
#include <ck_hs.h>
#include <ck_queue.h>

typedef ck_epoch_entry_t deferred;
#define LINK CK_STAILQ_ENTRY(element)

#include "objects.h"

#define PEER "ck-epoch"

typedef ck_epoch_record_t *reader;

static ck_epoch_t epoch;

/* A record that was registered stays, and is given to who comes next. */
static reader reader_begin(void)
{
	reader r = ck_epoch_recycle(&epoch, NULL);

	if (r == NULL) {
		r = allocate(LINE, sizeof *r);
		ck_epoch_register(&epoch, r, NULL);
	}
	return r;
}

/* What a record has deferred would be forgotten with it. */
static void reader_end(reader r)
{
	if (r->n_pending > 0)
		ck_epoch_barrier(r);
	ck_epoch_unregister(r);
}

static void prepare(void)
{
	ck_epoch_init(&epoch);
}

static inline void enter(reader r)
{
	ck_epoch_begin(r, NULL);
}

static inline void leave(reader r)
{
	ck_epoch_end(r, NULL);
}

static inline void quiesce(reader r)
{
	(void)r;
}

#define follow(p) ((__typeof__(p))ck_pr_load_ptr(&(p)))

static inline void defer(reader r, deferred *head, void (*f)(deferred *))
{
	ck_epoch_call(r, head, f);
}

static void synchronize(reader r)
{
	ck_epoch_synchronize(r);
}

static void barrier(reader r)
{
	ck_epoch_barrier(r);
}

/* As in the manual's example, each call is followed by a poll. */
static inline void retire(reader r, deferred *head, void (*f)(deferred *))
{
	defer(r, head, f);
	ck_epoch_poll(r);
}

static inline void update(reader r, size_t size, uint64_t number, void (*f)(deferred *))
{
	struct object *o = new_object(size, number);

	o = ck_pr_fas_ptr(&shared.p, o);
	retire(r, &o->head, f);
}

static struct {
	_Alignas(LINE) CK_STAILQ_HEAD(, element) head;
} list = {CK_STAILQ_HEAD_INITIALIZER(list.head)};

#define FOR_EACH(e) CK_STAILQ_FOREACH(e, &list.head, link)

static inline void append(reader r, struct element *e)
{
	(void)r;
	CK_STAILQ_INSERT_TAIL(&list.head, e, link);
}

static inline void rotate(reader r, struct element *e)
{
	struct element *old = CK_STAILQ_FIRST(&list.head);

	CK_STAILQ_REMOVE_HEAD(&list.head, link);
	CK_STAILQ_INSERT_TAIL(&list.head, e, link);
	retire(r, &old->head, free_element);
}

/* The set is of nodes, which are equal when their keys are. It has one writer at a time. */
struct node {
	deferred head; /* first */
	uint64_t key;
	struct content content;
};

static struct {
	_Alignas(LINE) ck_hs_t set;
	_Alignas(LINE) pthread_mutex_t lock;
	reader writer; /* who has the lock */
} map = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned long node_hash(const void *n, unsigned long seed)
{
	(void)seed;
	return mix(((const struct node *)n)->key);
}

static bool node_equal(const void *a, const void *b)
{
	return ((const struct node *)a)->key == ((const struct node *)b)->key;
}

/* In front of a table is what it needs to be freed after a grace period. */
#define FRONT 64

static void *table_malloc(size_t size)
{
	return (char *)allocate(FRONT, FRONT + size) + FRONT;
}

static void table_free(void *table, size_t size, bool wait)
{
	deferred *head = (deferred *)((char *)table - FRONT);

	(void)size;
	if (wait)
		retire(map.writer, head, free_object);
	else
		free(head);
}

static void map_make(void)
{
	static struct ck_malloc tables = {.malloc = table_malloc, .free = table_free};

	if (!ck_hs_init(&map.set, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT, node_hash, node_equal,
			&tables, 8, 0))
		fail("no table");
}

static inline struct content map_load(reader r, uint64_t key)
{
	struct node wanted = {.key = key};

	enter(r);
	struct node *n = ck_hs_get(&map.set, CK_HS_HASH(&map.set, node_hash, &wanted), &wanted);
	if (n == NULL)
		fail("a key is not there");
	struct content c = n->content;
	leave(r);
	return c;
}

static inline void map_store(reader r, uint64_t key, struct content c)
{
	struct node *n = malloc(sizeof *n);
	void *old;

	if (n == NULL)
		fail("no memory for a node");
	n->key = key;
	n->content = c;
	unsigned long hash = CK_HS_HASH(&map.set, node_hash, n);
	pthread_mutex_lock(&map.lock);
	map.writer = r;
	if (!ck_hs_set(&map.set, hash, n, &old))
		fail("no memory for a table");
	pthread_mutex_unlock(&map.lock);
	if (old != NULL)
		retire(r, old, free_object);
}

#include "map.h"

/* The scan is by one of the readers. */
static void measure_scan(void)
{
	prepare();
	for (unsigned i = 1; i < job.param; i++)
		reader_begin();
	value("ns", 1e9 / rates(0, NULL, scan_work, job.ns).updates);
}

int main(int argc, char **argv)
{
	return answer(argc, argv, (const struct pair[]){
		{INSTRUCTIONS, PEER, count_section, POSITIVE},
		{INSTRUCTIONS, PEER "+load", count_load, POSITIVE},
		{"section", PEER, measure_section, ANY},
		{"load", PEER, measure_load, ANY},
		{"nested", PEER, measure_nested, POSITIVE},
		{"swap", PEER, measure_swap, PER_MILLE},
		{"threads", PEER, measure_threads, MANY},
		{"call", PEER, measure_call, POSITIVE},
		{"synchronize", PEER, measure_synchronize, READERS},
		{"barrier", PEER, measure_barrier, READERS},
		{"long", PEER, measure_long, ANY},
		{"flood", PEER, measure_flood, READERS},
		{"scan", PEER, measure_scan, POSITIVE},
		{"oversub", PEER, measure_oversub, READERS},
		{"walk", PEER, measure_walk, MANY},
		{"walk-beside", PEER, measure_walk_beside, MANY},
		{"map", PEER, measure_map, POSITIVE},
		{NULL, NULL, NULL, 0, 0},
	});
}
