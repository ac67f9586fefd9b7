/* The running check of a publisher's reports. */
#include "blake2b.h"

#include <assert.h>
#include <casebus/check.h>
#include <string.h>

/* a5 "check" c4 08, and the value */
#define PAIR_SIZE (CASEBUS_CHECK_KEY_SIZE + CASEBUS_CHECK_SIZE)

static struct blake2b_message report_message(struct casebus_bytes topic,
                                             struct casebus_bytes body, size_t check_at,
                                             unsigned char *hash)
{
    if (check_at == 0 || check_at + PAIR_SIZE > body.size) {
        return (struct blake2b_message){.part = {topic, body}, .digest = hash};
    }
    size_t behind = check_at + PAIR_SIZE;
    return (struct blake2b_message){
        .part = {topic, casebus_bytes(body.data, check_at),
                 casebus_bytes(body.data + behind, body.size - behind)},
        .digest = hash,
    };
}

/* The digest replaces the hash; what is next of the check is its beginning. */
static struct blake2b_message check_message(const unsigned char *check, unsigned char *hash)
{
    return (struct blake2b_message){
        .part = {casebus_bytes(check, CASEBUS_CHECK_SIZE),
                 casebus_bytes(hash, CASEBUS_HASH_SIZE)},
        .digest = hash,
    };
}

void casebus_report_hashes(const struct casebus_hashed *reports, size_t count)
{
    struct blake2b_message messages[CASEBUS_TIED_MAX];
    assert(count <= CASEBUS_TIED_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct casebus_hashed *r = &reports[i];
        messages[i] = report_message(r->topic, r->body, r->check_at, r->hash);
    }
    casebus_blake2b(messages, count, CASEBUS_HASH_SIZE);
}

void casebus_report_hash(struct casebus_bytes topic, struct casebus_bytes body, size_t check_at,
                         unsigned char hash[CASEBUS_HASH_SIZE])
{
    struct blake2b_message message = report_message(topic, body, check_at, hash);
    casebus_blake2b(&message, 1, CASEBUS_HASH_SIZE);
}

void casebus_check_next(unsigned char check[CASEBUS_CHECK_SIZE],
                        const unsigned char hash[CASEBUS_HASH_SIZE])
{
    unsigned char digest[CASEBUS_HASH_SIZE];
    memcpy(digest, hash, sizeof digest);
    struct blake2b_message message = check_message(check, digest);
    casebus_blake2b(&message, 1, CASEBUS_HASH_SIZE);
    memcpy(check, digest, CASEBUS_CHECK_SIZE);
}

void casebus_checks_next(const struct casebus_tied *reports, size_t count)
{
    struct blake2b_message messages[CASEBUS_TIED_MAX];
    assert(count <= CASEBUS_TIED_MAX);
    unsigned char hashes[CASEBUS_TIED_MAX][CASEBUS_HASH_SIZE];
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct casebus_tied *r = &reports[i];
        messages[i] = report_message(r->topic, r->body, r->check_at, hashes[i]);
    }
    casebus_blake2b(messages, count, CASEBUS_HASH_SIZE);
    for (size_t i = 0; i < count; i++) {
        messages[i] = check_message(reports[i].check, hashes[i]);
    }
    casebus_blake2b(messages, count, CASEBUS_HASH_SIZE);
    for (size_t i = 0; i < count; i++) {
        memcpy(reports[i].check, hashes[i], CASEBUS_CHECK_SIZE);
    }
}
