/* The running check of a publisher's reports.
 *
 * BLAKE2b comes from libsodium, whose digests are the same whether or not sodium_init() was
 * called (calling it once lets it choose the fastest code; that is the program's to do). */
#include <casebus/check.h>
#include <sodium/crypto_generichash.h>
#include <string.h>

#define PAIR_SIZE (8 + CASEBUS_CHECK_SIZE) /* a5 "check" c4 08, and the value */

void casebus_report_hash(struct casebus_bytes topic, struct casebus_bytes body, size_t check_at,
                         unsigned char hash[CASEBUS_HASH_SIZE])
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, CASEBUS_HASH_SIZE);
    (void)crypto_generichash_update(&state, topic.data, topic.size);
    if (check_at == 0 || check_at + PAIR_SIZE > body.size) {
        (void)crypto_generichash_update(&state, body.data, body.size);
    } else {
        size_t behind = check_at + PAIR_SIZE;
        (void)crypto_generichash_update(&state, body.data, check_at);
        (void)crypto_generichash_update(&state, body.data + behind, body.size - behind);
    }
    (void)crypto_generichash_final(&state, hash, CASEBUS_HASH_SIZE);
}

void casebus_check_next(unsigned char check[CASEBUS_CHECK_SIZE],
                        const unsigned char hash[CASEBUS_HASH_SIZE])
{
    unsigned char both[CASEBUS_CHECK_SIZE + CASEBUS_HASH_SIZE], digest[CASEBUS_HASH_SIZE];
    memcpy(both, check, CASEBUS_CHECK_SIZE);
    memcpy(both + CASEBUS_CHECK_SIZE, hash, CASEBUS_HASH_SIZE);
    (void)crypto_generichash(digest, sizeof digest, both, sizeof both, NULL, 0);
    memcpy(check, digest, CASEBUS_CHECK_SIZE);
}
