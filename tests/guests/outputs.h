/*
 * For the guests that look at how far the kernel writes: the memory around a
 * call's output is filled with a pattern before, and hashed after the call. A
 * byte that the kernel wrote and the journal lacks makes another hash.
 */
#ifndef OUTPUTS_H
#define OUTPUTS_H
#include "guest.h"

enum { ROOM = 8192 };
static unsigned char room[ROOM] __attribute__((aligned(64)));
#define OUT(offset) ((void *)(room + (offset)))

/* One call, and what it left in the room. */
#define SEEN(call)                                                                                           \
    do {                                                                                                     \
        memset(room, 0xa5, sizeof room);                                                                     \
        SEEN_FILLED(call);                                                                                   \
    } while (0)

/* The same, where the room holds input as well. */
#define SEEN_FILLED(call)                                                                                    \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        long seen_ = (long)(call);                                                                           \
        int error_ = seen_ == -1 ? errno : 0;                                                                \
        say("%-40.40s %ld, errno %d, %016lx", #call, seen_, error_, (unsigned long)hash(room, sizeof room)); \
    } while (0)
#endif
