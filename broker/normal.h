/* Normalised names: how an offender is recognised again. */
#ifndef BROKER_NORMAL_H
#define BROKER_NORMAL_H

#include <casebus/msgpack.h>

/* Room for the normal form of any name the schema allows: lower case can be longer by half. */
#define NORMAL_MAX 1024

struct normal {
    size_t size;
    unsigned char data[NORMAL_MAX];
};

/* Unicode spaces to one space, trimmed, lower case, dots dropped, a final "ltd" written
 * "limited". The same on every machine: no locale. */
struct normal normal_name(struct casebus_bytes name);
static inline struct casebus_bytes normal_bytes(const struct normal *n)
{
    return casebus_bytes(n->data, n->size);
}
bool normal_equal(struct casebus_bytes a, struct casebus_bytes b);
/* Postcodes: upper case, no spaces; at most 16 bytes. */
struct normal normal_postcode(struct casebus_bytes postcode);

#endif
