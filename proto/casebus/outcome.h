/* Outcomes: what became of a report. Every report that is decided has exactly one. */
#ifndef CASEBUS_OUTCOME_H
#define CASEBUS_OUTCOME_H

#include <casebus/msgpack.h>

/* The numbers are stored: append only. */
#define CASEBUS_OUTCOMES(X)                                                                    \
    X(CASEBUS_OUTCOME_CREATED, "created")                                                      \
    X(CASEBUS_OUTCOME_UPDATED, "updated")                                                      \
    X(CASEBUS_OUTCOME_SYNCED, "synced")                                                        \
    X(CASEBUS_OUTCOME_CONFLICT, "conflict")                                                    \
    X(CASEBUS_OUTCOME_DELETED, "deleted")                                                      \
    X(CASEBUS_OUTCOME_REDACTED, "redacted")                                                    \
    X(CASEBUS_OUTCOME_REJECTED, "rejected")                                                    \
    X(CASEBUS_OUTCOME_SESSION, "session")                                                      \
    X(CASEBUS_OUTCOME_VOID, "void")

enum casebus_outcome {
#define X(symbol, word) symbol,
    CASEBUS_OUTCOMES(X)
#undef X
    CASEBUS_OUTCOME_COUNT
};

const char *casebus_outcome_word(enum casebus_outcome outcome);
/* The outcome a word names, or CASEBUS_OUTCOME_COUNT. */
enum casebus_outcome casebus_outcome_from_word(struct casebus_bytes word);

#endif
