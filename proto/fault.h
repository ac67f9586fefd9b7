/* Naming the place of a fault (private to proto): built from the inside outwards, and only once
 * something is wrong. Every function takes NULL for a caller that does not want to know. */
#ifndef CASEBUS_FAULT_H
#define CASEBUS_FAULT_H

#include <casebus/msgpack.h>

/* Sets code and field, gives the code back. */
int casebus_fault_set(struct casebus_fault *fault, int code, const char *field);
/* Puts the name of a map's key, or an array's index, in front of the field. */
void casebus_fault_under(struct casebus_fault *fault, struct casebus_bytes key);
void casebus_fault_under_index(struct casebus_fault *fault, uint32_t index);

#endif
