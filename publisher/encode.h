/* A record of a file as a report's data (private to casebus-publish). See encode.c. */
#ifndef CASEBUS_PUBLISH_ENCODE_H
#define CASEBUS_PUBLISH_ENCODE_H

#include "row.h"

#include <msgpack/sbuffer.h>

/* Appends the map of a case report's data; agency and regulator_id, which are the topic's, are
 * left out. 0, or a code with the fault filled in; then `out` has a part of it. */
int encode_record(const json_t *record, msgpack_sbuffer *out, struct row_fault *fault);

#endif
