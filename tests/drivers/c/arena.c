#include "arena.h"

#include <stdlib.h>

struct arena_block {
    arena_block *next;
    max_align_t bytes[];
};

void *arena_take(arena *arena, size_t size)
{
    arena_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        abort();
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

void arena_release(arena *arena)
{
    while (arena->blocks != NULL) {
        arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}
