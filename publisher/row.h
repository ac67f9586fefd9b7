/* One record of a file, before anything is known of it (private to casebus-publish). */
#ifndef CASEBUS_PUBLISH_ROW_H
#define CASEBUS_PUBLISH_ROW_H

#include <jansson.h>

/* Why a record is refused: shown as FILE:LINE: field: reason. */
struct row_fault {
    char field[96]; /* "-": the record as a whole */
    char reason[200];
};

struct row {
    unsigned long line; /* where it begins */
    json_t *record;     /* an object; NULL: it cannot be read, and `fault` says why */
    struct row_fault fault;
    size_t unnamed; /* of CSV: a column, from 1, that has no name and here a value; 0: none */
};

/* Fills a fault in; gives CASEBUS_EVALUE, so that a check can end with it. */
int row_fault_set(struct row_fault *fault, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
