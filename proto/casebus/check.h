/* The running check that ties a publisher's reports together.
 *
 * check(1) is eight zero bytes; check(n + 1) is the first eight bytes of BLAKE2b-128 over
 * check(n) and hash(n); hash(n) is BLAKE2b-128 over the topic and the body as sent, without the
 * sixteen bytes of the pair `check` (a5 63 68 65 63 6b c4 08 and the eight bytes of its value).
 */
#ifndef CASEBUS_CHECK_H
#define CASEBUS_CHECK_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>

/* `check_at`: where the pair begins in the body (casebus_report_head.check_at); 0: no such
 * pair, everything is hashed (the content of an unnumbered report). */
void casebus_report_hash(struct casebus_bytes topic, struct casebus_bytes body, size_t check_at,
                         unsigned char hash[CASEBUS_HASH_SIZE]);
/* check := check(n + 1). */
void casebus_check_next(unsigned char check[CASEBUS_CHECK_SIZE],
                        const unsigned char hash[CASEBUS_HASH_SIZE]);

#endif
