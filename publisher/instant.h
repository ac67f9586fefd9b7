/* Times in files (private to casebus-publish). */
#ifndef CASEBUS_PUBLISH_INSTANT_H
#define CASEBUS_PUBLISH_INSTANT_H

#include <casebus/msgpack.h>

/* ISO 8601 in UTC ("2025-03-01T10:20:30Z", fractions of a second, "+00:00" for "Z") to
 * microseconds since 1970. 0 or CASEBUS_EVALUE. */
int instant_from_text(struct casebus_bytes text, uint64_t *instant);

#endif
