/*
 * liburcu, in four of its flavors. On Debian: apt-get install liburcu-dev; then
 *
 *   gcc -O2 -g -Wall -Wextra -pthread -DURCU_MEMB -o urcu-memb urcu.c bench.c \
 *       -lurcu-memb -lurcu-cds -lm
 *
 * and the same with QSBR, BP and MB in the place of MEMB, qsbr, bp and mb in that of memb.
 */
#define _GNU_SOURCE
#define _LGPL_SOURCE /* its readers are inlined, as in programs that care */

#if defined(URCU_MEMB)
#define RCU_MEMBARRIER
#include <urcu.h>
#define PEER "liburcu-memb"
#elif defined(URCU_MB)
#define RCU_MB
#include <urcu.h>
#define PEER "liburcu-mb"
#elif defined(URCU_QSBR)
#include <urcu-qsbr.h>
#define PEER "liburcu-qsbr"
#elif defined(URCU_BP)
#include <urcu-bp.h>
#define PEER "liburcu-bp"
#else
#error "which flavor?"
#endif

#include <errno.h>
#include <semaphore.h>
#include <urcu/rculfhash.h>
#include <urcu/rculist.h>

typedef struct rcu_head deferred;
#define LINK struct cds_list_head

#include "objects.h"

typedef int reader; /* what a reader needs is in variables of its thread */

static reader reader_begin(void)
{
	rcu_register_thread();
	return 0;
}

static void reader_end(reader r)
{
	(void)r;
	rcu_unregister_thread();
}

/* The thread that makes the calls is the one that there is if nobody asks for another. */
static void prepare(void)
{
	get_default_call_rcu_data();
}

static inline void enter(reader r)
{
	(void)r;
	rcu_read_lock();
}

static inline void leave(reader r)
{
	(void)r;
	rcu_read_unlock();
}

/*
 * For qsbr alone this is something, and for it a section is nothing: so its readers say
 * that they are quiescent after each section, to be as far from holding anybody up as the
 * others are.
 */
static inline void quiesce(reader r)
{
	(void)r;
	rcu_quiescent_state();
}

#define follow(p) rcu_dereference(p)

static inline void defer(reader r, deferred *head, void (*f)(deferred *))
{
	(void)r;
	call_rcu(head, f);
}

static inline void synchronize(reader r)
{
	(void)r;
	synchronize_rcu();
}

static inline void barrier(reader r)
{
	(void)r;
	rcu_barrier();
}

static inline void update(reader r, size_t size, uint64_t number, void (*f)(deferred *))
{
	struct object *old = rcu_xchg_pointer(&shared.p, new_object(size, number));

	defer(r, &old->head, f);
}

static struct {
	_Alignas(LINE) struct cds_list_head head;
} list = {CDS_LIST_HEAD_INIT(list.head)};

#define FOR_EACH(e) cds_list_for_each_entry_rcu(e, &list.head, link)

static inline void append(reader r, struct element *e)
{
	(void)r;
	cds_list_add_tail_rcu(&e->link, &list.head);
}

static inline void rotate(reader r, struct element *e)
{
	struct element *old = cds_list_entry(list.head.next, struct element, link);

	cds_list_del_rcu(&old->link);
	cds_list_add_tail_rcu(&e->link, &list.head);
	defer(r, &old->head, free_element);
}

struct node {
	struct cds_lfht_node link;
	deferred head;
	uint64_t key;
	struct content content;
};

static struct cds_lfht *map;

/*
 * It resizes itself and counts its nodes to know when, as in the manual's examples:
 * CDS_LFHT_AUTO_RESIZE and CDS_LFHT_ACCOUNTING. But it begins with a bucket for each entry.
 * A thread does the resizing, and if that is done before the flag is set that it was asked
 * for, which happens when it shares a processor with who asks, nobody asks again: tables
 * that began small stayed small, and took minutes to fill. Without a greatest size the
 * buckets come from malloc, so they are in the count of bytes.
 */
static void map_make(void)
{
	unsigned long size = 1;

	while (size < job.param)
		size *= 2;
	map = cds_lfht_new(size, 1, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, NULL);
	if (map == NULL)
		fail("no table");
}

static int has_key(struct cds_lfht_node *n, const void *key)
{
	return caa_container_of(n, struct node, link)->key == *(const uint64_t *)key;
}

static inline struct content map_load(reader r, uint64_t key)
{
	struct cds_lfht_iter it;

	enter(r);
	cds_lfht_lookup(map, mix(key), has_key, &key, &it);
	struct cds_lfht_node *found = cds_lfht_iter_get_node(&it);
	if (found == NULL)
		fail("a key is not there");
	struct content c = caa_container_of(found, struct node, link)->content;
	leave(r);
	return c;
}

static void free_node(deferred *head)
{
	free(caa_container_of(head, struct node, head));
}

static inline void map_store(reader r, uint64_t key, struct content c)
{
	struct node *n = malloc(sizeof *n);

	if (n == NULL)
		fail("no memory for a node");
	n->key = key;
	n->content = c;
	cds_lfht_node_init(&n->link);
	enter(r);
	struct cds_lfht_node *old = cds_lfht_add_replace(map, mix(key), has_key, &key, &n->link);
	leave(r);
	if (old != NULL)
		defer(r, &caa_container_of(old, struct node, link)->head, free_node);
}

#include "map.h"

static sem_t over;

/* A reader is a thread here, and it is not online while it sleeps. */
static void sleep_work(struct worker *w)
{
	rcu_register_thread();
	rcu_thread_offline();
	more(w, 1);
	while (sem_wait(&over) != 0 && errno == EINTR)
		;
	rcu_unregister_thread();
}

static void scan_and_wake(struct worker *w)
{
	scan_work(w);
	for (unsigned i = 0; i < job.param; i++)
		sem_post(&over);
}

static void measure_scan(void)
{
	sem_init(&over, 0, 0);
	value("ns", 1e9 / rates(job.param, sleep_work, scan_and_wake, job.ns).updates);
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
		{"callback", PEER, measure_callback, ANY},
		{"synchronize", PEER, measure_synchronize, READERS},
		{"barrier", PEER, measure_barrier, READERS},
		{"long", PEER, measure_long, ANY},
		{"flood", PEER, measure_flood, READERS},
		{"scan", PEER, measure_scan, READERS},
		{"oversub", PEER, measure_oversub, READERS},
		{"walk", PEER, measure_walk, MANY},
		{"walk-beside", PEER, measure_walk_beside, MANY},
		{"map", PEER, measure_map, POSITIVE},
		{NULL, NULL, NULL, 0, 0},
	});
}
