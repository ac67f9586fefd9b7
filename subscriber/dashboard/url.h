/* What a browser asks for: the target of a request line, taken apart; and the way back. */
#ifndef CASEBUS_DASHBOARD_URL_H
#define CASEBUS_DASHBOARD_URL_H

#include "../text.h"

#define URL_SEGMENTS_MAX 6
#define URL_PARAMETERS_MAX 16
#define URL_TARGET_MAX 4096 /* bytes of a request line's */

/* Decoded: well-formed UTF-8 without NUL, so every piece is a C string too. */
struct url {
    char *memory; /* what the pieces point into */
    unsigned segment_count, parameter_count;
    const char *segment[URL_SEGMENTS_MAX]; /* "/" has none */
    struct {
        const char *name, *value;
    } parameter[URL_PARAMETERS_MAX];
};

/* "/cases/orr%3AT%2FH?limit=5": 0; CASEBUS_EVALUE: no path, or an escape that is none, or text
 * that is none; CASEBUS_ETOOLONG: more than `limit` bytes; CASEBUS_ETOOMANY, CASEBUS_ENOMEM. */
int url_parse(struct url *self, const char *target, size_t limit);
void url_free(struct url *self);
/* The first of a name; NULL: not given, or empty, as forms send it. */
const char *url_parameter(const struct url *self, const char *name);

/* A piece as it stands in a path or a query: all but letters, digits and -._~ is escaped. */
void url_add(struct text *out, struct casebus_bytes piece);

#endif
