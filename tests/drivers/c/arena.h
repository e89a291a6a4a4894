/* Memory of one request: taken piece by piece, given back at once. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

typedef struct arena_block arena_block;

typedef struct arena {
    arena_block *blocks;
} arena;

/* Never NULL: a driver without memory has nothing to say. */
void *arena_take(arena *arena, size_t size);
void arena_release(arena *arena);

#endif
