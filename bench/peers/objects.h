/*
 * What readers look at. Before this a scheme defines deferred, what an object needs in it
 * for its deferred call, and LINK, what an element needs in it for its list.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stdlib.h>

#include "bench.h"

struct object {
	deferred head; /* first, so that it has the object's address */
	uint64_t words[]; /* all of them the object's number */
};

#define SMALL 64 /* bytes of an object */
#define BIG 1024

static inline void fill(struct object *o, size_t size, uint64_t number)
{
	for (size_t i = 0; i < (size - sizeof *o) / sizeof o->words[0]; i++)
		o->words[i] = number;
}

static inline struct object *new_object(size_t size, uint64_t number)
{
	struct object *o = malloc(size);

	if (o == NULL)
		fail("no memory for an object");
	fill(o, size, number);
	return o;
}

static inline void free_object(deferred *head)
{
	free(head);
}

/* The pointer that readers follow. */
static struct {
	_Alignas(LINE) struct object *p;
} shared;

struct element {
	_Alignas(64) LINK link;
	uint64_t key;
	deferred head;
};

_Static_assert(sizeof(struct element) == 64, "an element is a cache line");

static inline struct element *new_element(uint64_t key)
{
	struct element *e = allocate(64, sizeof *e);

	e->key = key;
	return e;
}

static inline void free_element(deferred *head)
{
	free((char *)head - offsetof(struct element, head));
}

/* What is stored in a map under a key. */
struct content {
	uint64_t words[4];
};

#endif
