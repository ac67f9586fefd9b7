/* Lists that people see: encoded arrays as rows of a table, each by its template. */
#ifndef CASEBUS_DASHBOARD_LISTS_H
#define CASEBUS_DASHBOARD_LISTS_H

#include "template.h"

/* Walks an encoded array: false at its end. */
struct list {
    struct casebus_reader reader;
    uint32_t left;
};
struct list list_of(struct casebus_bytes array);
bool list_next(struct list *self, struct casebus_bytes *row);

/* A member of a map that is text, or a number (0: absent). */
struct casebus_bytes member_text(struct casebus_bytes map, const char *key);
uint64_t member_number(struct casebus_bytes map, const char *key);

/* Each takes an encoded array of what its name says. `without` (may be empty) is an id that is
 * left out. */
void list_cases(struct text *out, struct casebus_bytes records, struct casebus_bytes without);
void list_met(struct text *out, struct casebus_bytes met); /* of session.cases */
void list_history(struct text *out, struct casebus_bytes events);
void list_offences(struct text *out, struct casebus_bytes offences);
void list_related(struct text *out, struct casebus_bytes case_ids);
void list_quarantine(struct text *out, struct casebus_bytes entries);
void list_sessions(struct text *out, struct casebus_bytes sessions);
/* One of them. */
void list_case(struct text *out, struct casebus_bytes record);
void list_session(struct text *out, struct casebus_bytes session);

/* Every value of a map by its dotted name, what `without` names (up to a NULL) left out. */
void list_fields(struct text *out, struct casebus_bytes map, const char *const *without);

/* "hse – Health and Safety Executive", or the code alone where the record has no name. */
void name_agency(struct text *out, struct casebus_bytes record);

/* Addresses: "/cases/hse%3A1", "/sessions/hse/abc", "/offenders?…", and what is on them. */
void address_case(struct text *out, struct casebus_bytes id);
void address_session(struct text *out, struct casebus_bytes agency, struct casebus_bytes id);
void address_offender(struct text *out, struct casebus_bytes record);
void link_case(struct text *out, struct casebus_bytes id);
/* Nothing where the name is not shown. */
void link_offender(struct text *out, struct casebus_bytes record);
void link_session(struct text *out, struct casebus_bytes agency, struct casebus_bytes id);
bool session_is_active(struct casebus_bytes session);

#endif
