/* Rows of the lists that people see: <tr data-key="…"> with cells <td data-field="…">, the same
 * that the pages' scripts make of what the events say. */
#ifndef CASEBUS_DASHBOARD_ROWS_H
#define CASEBUS_DASHBOARD_ROWS_H

#include "../text.h"

/* Walks an encoded array: false at its end. */
struct rows {
    struct casebus_reader reader;
    uint32_t left;
};
struct rows rows_of(struct casebus_bytes array);
bool rows_next(struct rows *self, struct casebus_bytes *row);

/* A member of a map, or of a map in it; text of a text. */
struct casebus_bytes row_inner(struct casebus_bytes map, const char *outer, const char *key);
struct casebus_bytes row_text(struct casebus_bytes map, const char *key);
uint64_t row_number(struct casebus_bytes map, const char *key);

/* Each takes an encoded array of what its name says and writes its rows. */
void rows_add_cases(struct text *out, struct casebus_bytes records);
void rows_add_sessions(struct text *out, struct casebus_bytes sessions);
void rows_add_met(struct text *out, struct casebus_bytes met); /* of session.cases */
void rows_add_quarantine(struct text *out, struct casebus_bytes entries);
void rows_add_offences(struct text *out, struct casebus_bytes offences); /* a list of lists */
void rows_add_history(struct text *out, struct casebus_bytes events);

/* One of them. */
void rows_add_case(struct text *out, struct casebus_bytes record);
void rows_add_session(struct text *out, struct casebus_bytes session);

/* "/cases/hse%3A1", "/sessions/hse/abc": links, and what they say. */
void rows_add_case_link(struct text *out, struct casebus_bytes id);
void rows_add_session_link(struct text *out, struct casebus_bytes agency,
                           struct casebus_bytes session_id);
/* Every value of a map, <dt> and <dd>, inner maps as lists of their own; what `without` names
 * (up to a NULL) is left out. */
void rows_add_fields(struct text *out, struct casebus_bytes map, const char *const *without);

#endif
