/* What an actor may do: verbs, of all agencies or of some; and roles, which are sets of them.
 *
 * Whatever is not given is refused. Built in are admin (everything), scraper (reports what it
 * scraped, looks its sessions up), viewer (watches and asks) and curator (a viewer who
 * corrects, decides and stops). A settings file adds others:
 *
 *     role.hse-desk = watch, ask@hse, decide@hse+ea
 *
 * Checklist for a new verb: a row here; who asks for it (admission.c for reports, the table of
 * query_actor.c for requests, zap.c for connections); PROTOCOL.md "Who may do what". */
#ifndef BROKER_PERMISSION_H
#define BROKER_PERMISSION_H

#include <casebus/limits.h>
#include <casebus/topic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* X(symbol, name, what it allows) */
#define VERBS(X)                                                                               \
    X(VERB_REPORT_SCRAPED, "report.scraped", "report cases and sessions")                      \
    X(VERB_REPORT_EDITED, "report.edited", "correct cases")                                    \
    X(VERB_REPORT_DELETED, "report.deleted", "delete cases")                                   \
    X(VERB_REPORT_REDACTED, "report.redacted", "redact cases, for good")                       \
    X(VERB_WATCH, "watch", "follow events")                                                    \
    X(VERB_ASK, "ask", "ask for cases, sessions, quarantine and status")                       \
    X(VERB_DECIDE, "decide", "decide what is in quarantine")                                   \
    X(VERB_STOP, "stop", "ask sessions to stop")                                               \
    X(VERB_AGENCIES, "agencies", "set agencies")                                               \
    X(VERB_ADMINISTER, "administer", "verify, back up, ask what others may")                   \
    X(VERB_SPEAK, "speak", "ask on behalf of others, as they may")

enum verb {
#define X(symbol, name, help) symbol,
    VERBS(X)
#undef X
    VERB_COUNT
};
#define VERB_BIT(verb) (UINT32_C(1) << (verb))
#define VERBS_ALL (VERB_BIT(VERB_COUNT) - 1)
#define VERBS_REPORT                                                                           \
    (VERB_BIT(VERB_REPORT_SCRAPED) | VERB_BIT(VERB_REPORT_EDITED) |                            \
     VERB_BIT(VERB_REPORT_DELETED) | VERB_BIT(VERB_REPORT_REDACTED))

const char *verb_name(enum verb verb);
bool verb_find(struct casebus_bytes name, enum verb *verb);
enum verb verb_of_report(enum casebus_report_kind kind);

#define ROLE_NAME_MAX 31
#define ROLE_AGENCIES_MAX 32
#define ROLES_BUILT_IN 4
#define ROLES_MAX 24 /* those among them */

struct grant {
    char agency[CASEBUS_AGENCY_MAX + 1];
    uint32_t verbs;
};

struct role {
    char name[ROLE_NAME_MAX + 1];
    uint32_t everywhere; /* verbs of every agency */
    unsigned count;
    struct grant at[ROLE_AGENCIES_MAX]; /* and of some */
};

struct roles {
    unsigned count;
    struct role role[ROLES_MAX];
};

bool role_name_valid(struct casebus_bytes name); /* [a-z0-9_-]{1,31} */
/* The four. */
void roles_init(struct roles *self);
/* Adds one as a settings file says it: "verb[@agency[+agency...]], ...". False: `why` says why
 * not. */
bool roles_add(struct roles *self, const char *name, const char *permissions, char *why,
               size_t why_size);
/* The role's index; -1: there is none of that name. */
int roles_find(const struct roles *self, struct casebus_bytes name);
#define ROLE_TEXT_MAX 16384
/* How roles are written, and of which verbs, for --help. */
void roles_help(FILE *out);
/* As roles_add() takes it. */
void role_print(const struct role *self, char *text, size_t size);

/* Verbs that the role has for that agency; with an absent one (NULL), for every. */
uint32_t role_verbs(const struct role *self, struct casebus_bytes agency);
/* Verbs that it has for any agency at all. */
uint32_t role_verbs_somewhere(const struct role *self);

#endif
