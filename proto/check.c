/* The running check of a publisher's reports. */
#include "blake2b.h"

#include <casebus/check.h>
#include <string.h>

#define PAIR_SIZE (8 + CASEBUS_CHECK_SIZE) /* a5 "check" c4 08, and the value */

void casebus_report_hash(struct casebus_bytes topic, struct casebus_bytes body, size_t check_at,
                         unsigned char hash[CASEBUS_HASH_SIZE])
{
    struct blake2b state;
    blake2b_init(&state, CASEBUS_HASH_SIZE);
    blake2b_update(&state, topic.data, topic.size);
    if (check_at == 0 || check_at + PAIR_SIZE > body.size) {
        blake2b_update(&state, body.data, body.size);
    } else {
        size_t behind = check_at + PAIR_SIZE;
        blake2b_update(&state, body.data, check_at);
        blake2b_update(&state, body.data + behind, body.size - behind);
    }
    blake2b_final(&state, hash, CASEBUS_HASH_SIZE);
}

void casebus_check_next(unsigned char check[CASEBUS_CHECK_SIZE],
                        const unsigned char hash[CASEBUS_HASH_SIZE])
{
    struct blake2b state;
    blake2b_init(&state, CASEBUS_HASH_SIZE);
    blake2b_update(&state, check, CASEBUS_CHECK_SIZE);
    blake2b_update(&state, hash, CASEBUS_HASH_SIZE);
    blake2b_final(&state, check, CASEBUS_CHECK_SIZE);
}
