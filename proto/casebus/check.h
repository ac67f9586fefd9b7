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

/* Of the pair, what stands in front of the value. */
#define CASEBUS_CHECK_KEY_SIZE 8

/* `check_at`: where the pair begins in the body (casebus_report_head.check_at); 0: no such
 * pair, everything is hashed (the content of an unnumbered report). */
void casebus_report_hash(struct casebus_bytes topic, struct casebus_bytes body, size_t check_at,
                         unsigned char hash[CASEBUS_HASH_SIZE]);
/* check := check(n + 1). */
void casebus_check_next(unsigned char check[CASEBUS_CHECK_SIZE],
                        const unsigned char hash[CASEBUS_HASH_SIZE]);

/* The same of up to CASEBUS_TIED_MAX reports, as fast as the checks of so many (below). */
struct casebus_hashed {
    struct casebus_bytes topic, body;
    size_t check_at;
    unsigned char *hash; /* out: CASEBUS_HASH_SIZE bytes */
};
void casebus_report_hashes(const struct casebus_hashed *reports, size_t count);

/* A report and the check it carries. */
struct casebus_tied {
    struct casebus_bytes topic, body;
    size_t check_at;      /* as above; not 0 */
    unsigned char *check; /* CASEBUS_CHECK_SIZE bytes: in check(n), out check(n + 1) */
};
/* The same of up to CASEBUS_TIED_MAX reports, whosesoever: many together take a fraction of the
 * time where the processor can hash several at once. */
#define CASEBUS_TIED_MAX 32
void casebus_checks_next(const struct casebus_tied *reports, size_t count);

#endif
