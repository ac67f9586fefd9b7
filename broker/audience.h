/* Audiences: endpoints for events of their own, each with what it is shown and who may connect.
 *
 * In the settings file an audience is a section:
 *
 *   [audience press]
 *   endpoint = ipc:///run/casebus/press
 *   agencies = hse ea
 *   form = thin
 *
 * The settings' own `fanout` is no audience: everything goes out there. */
#ifndef BROKER_AUDIENCE_H
#define BROKER_AUDIENCE_H

#include "actors.h"
#include "scope.h"

#include <stdio.h>

#define AUDIENCES_MAX 16
#define AUDIENCE_NAME_MAX 64
#define AUDIENCE_ROLES_MAX 16

struct audience {
    char name[AUDIENCE_NAME_MAX]; /* [a-z][a-z0-9_-]* */
    char endpoint[256];
    struct scope scope;
    unsigned roles; /* who may connect and ask, beside those who may watch all agencies */
    char role[AUDIENCE_ROLES_MAX][ROLE_NAME_MAX + 1];
};

struct audiences {
    unsigned count;
    struct audience audience[AUDIENCES_MAX];
};

/* Is he part of it, by one of his roles? Then he may connect, and ask for what it is shown. */
bool audience_has(const struct audience *self, const struct actor_table *table,
                  const struct actor *actor);
/* May he connect? Whoever is part of it; and whoever may watch all agencies anyway. */
bool audience_admits(const struct audience *self, const struct actor_table *table,
                     const struct actor *actor);
/* The audience that a request of this actor is of: the one it names, if he may connect to it;
 * or, where it names none (absent), the first that he is part of. NULL: none, or one that is
 * not for him (or not there: he is not told). */
const struct audience *audience_of(const struct audiences *all, const struct actor_table *table,
                                   const struct actor *actor, struct casebus_bytes named);
/* The ZAP domain of its endpoint; of everybody's, where name is NULL. */
#define DOMAIN_SIZE (AUDIENCE_NAME_MAX + 16)
void audience_domain(const char *name, char domain[DOMAIN_SIZE]);
/* Are its roles there? False: `why` says which is not. */
bool audience_check_roles(const struct audience *self, const struct roles *roles, char *why,
                          size_t why_size);
/* NULL: there is none of that name. */
const struct audience *audience_find(const struct audiences *all, struct casebus_bytes name);
/* Begins the section of an audience; false: `why` says what is wrong with the name. */
bool audience_begin(struct audiences *all, const char *name, char *why, size_t why_size);
/* A line of the section begun last. */
bool audience_set(struct audiences *all, const char *name, const char *value, char *why,
                  size_t why_size);
/* Is the section begun last complete? (At its end, and at the end of the file.) */
bool audience_end(const struct audiences *all, char *why, size_t why_size);

/* The lines a section has, for --help; and the sections, as a file would say them. */
void audience_help(FILE *out);
void audiences_print(const struct audiences *all, FILE *out);

#endif
