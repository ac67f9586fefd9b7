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

#include "scope.h"

#include <stdio.h>

#define AUDIENCES_MAX 16
#define AUDIENCE_NAME_MAX 64
#define AUDIENCE_ROLES_MAX 16

struct audience {
    char name[AUDIENCE_NAME_MAX]; /* [a-z][a-z0-9_-]* */
    char endpoint[256];
    struct scope scope;
    unsigned roles; /* who may connect and ask; 0: whoever may do everything */
    char role[AUDIENCE_ROLES_MAX][AUDIENCE_NAME_MAX];
};

struct audiences {
    unsigned count;
    struct audience audience[AUDIENCES_MAX];
};

/* The audience that a request of this actor is of: the one it names, or, where it names none
 * (absent), the first that the actor may be part of; *audience is NULL for whoever may see everything.
 * 0, or CASEBUS_EDENIED: none, or one that is not for him (or not there: he is not told). */
int audience_of(const struct audiences *all, struct casebus_bytes actor,
                struct casebus_bytes named, const struct audience **audience);
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
