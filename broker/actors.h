/* Actors: who has which key, and what he may. One table, read from a file, shared by the
 * threads.
 *
 * The file has one actor a line: NAME KEY ROLE[,ROLE...]
 *
 *     # a comment
 *     worker-1   rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7  scraper
 *     dashboard  Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID  desk
 *     ann        -                                         curator
 *     local      -                                         viewer
 *
 * An actor may stand there twice, with the key that goes and the one that comes, and the same
 * roles. One without a key ("-") never connects: somebody speaks for him. `local` is whoever
 * comes in over plain loopback or ipc; without this file he may do everything, with it what it
 * gives him.
 *
 * A table never changes: what is read anew takes its place as a whole, or not at all where the
 * file has a fault. A reader holds the table that it looks into; actors_refresh() once in a
 * turn of its loop keeps up with changes and costs one atomic load. */
#ifndef BROKER_ACTORS_H
#define BROKER_ACTORS_H

#include "permission.h"

#include <casebus/keys.h>

#define ACTOR_LOCAL "local"
#define ACTORS_MAX 4096
#define ACTOR_NAME_SIZE (CASEBUS_KEY_NAME_MAX + 1)

struct actor_table;

struct actor {
    char name[ACTOR_NAME_SIZE];
    uint32_t roles;     /* bits: which of the table's */
    uint32_t somewhere; /* verbs he has for some agency at least */
};

/* Reads a file. NULL: `why` says file, line and what is wrong there. With `path` NULL it is the
 * table of a broker without actors: `local` may do everything. */
struct actor_table *actor_table_read(const char *path, const struct roles *roles, char *why,
                                     size_t why_size);
void actor_table_release(const struct actor_table *self);

/* NULL: none. Valid as long as the table is held. */
const struct actor *actor_by_key(const struct actor_table *self, const char *key);
const struct actor *actor_by_name(const struct actor_table *self, struct casebus_bytes name);
unsigned actor_count(const struct actor_table *self);
/* Has one of them a key? */
bool actors_have_keys(const struct actor_table *self);

/* May he? An absent agency (NULL) stands for all of them. */
bool actor_may(const struct actor_table *self, const struct actor *actor, enum verb verb,
               struct casebus_bytes agency);
/* The agencies for which he has the verb, at most `max` of them, in `agencies`; -1: all. */
int actor_agencies(const struct actor_table *self, const struct actor *actor, enum verb verb,
                   const char **agencies, unsigned max);
bool actor_has_role(const struct actor_table *self, const struct actor *actor,
                    const char *role);
/* The names of his roles, separated by commas. */
void actor_roles(const struct actor_table *self, const struct actor *actor, char *text,
                 size_t size);

/* Has somebody in `before` lost a key, a role, or a verb, that he has no more in `after`? */
bool actors_lost(const struct actor_table *before, const struct actor_table *after);

/* --- the table in force ------------------------------------------------------------------- */

struct actors;

/* Takes the table over; NULL: out of memory. */
struct actors *actors_new(struct actor_table *table);
/* When no thread reads any more. */
void actors_destroy(struct actors **self_p);
/* From any thread. The table taken over is seen by every actors_refresh() that begins later. */
void actors_swap(struct actors *self, struct actor_table *table);
/* The newest table into *held, which is released where it is another; begin with NULL. True: it
 * is another. */
bool actors_refresh(struct actors *self, const struct actor_table **held);

#endif
