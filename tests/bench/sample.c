/* The report that benchmarks send; see sample.h. */
#include "sample.h"

#include <stdio.h>

static void pack_pair(msgpack_packer *pk, const char *key, const char *value)
{
    casebus_pack_text(pk, key);
    casebus_pack_text(pk, value);
}

/* Where the digits of the name are. */
static size_t pack_offender(msgpack_packer *pk, const msgpack_sbuffer *out, unsigned publisher)
{
    char name[32];
    int digits = snprintf(name, sizeof name, "Offender %u-", publisher);
    snprintf(name + digits, sizeof name - (size_t)digits, "00000000 Ltd");
    casebus_pack_text(pk, "offender");
    msgpack_pack_map(pk, 2);
    casebus_pack_text(pk, "name");
    size_t at = out->size + 1 + (size_t)digits;
    casebus_pack_text(pk, name);
    pack_pair(pk, "postcode", "AB12 3CD");
    return at;
}

static void pack_breaches(msgpack_packer *pk, size_t padding)
{
    static const char words[] =
        "Failed to ensure the health, safety and welfare at work of its "
        "employees, contrary to section 2 of the Act, in that guards were "
        "absent from the conveyor and nobody had been told. ";
    char text[REPORT_SIZE_MAX];
    size_t size = padding < sizeof text - 1 ? padding : sizeof text - 1;
    for (size_t i = 0; i < size; i++) {
        text[i] = words[i % (sizeof words - 1)];
    }
    text[size] = '\0';
    pack_pair(pk, "offence_breaches", text);
}

static void pack_sample(struct sample *self, unsigned publisher, size_t padding)
{
    msgpack_sbuffer *out = &self->data;
    msgpack_packer pk;
    msgpack_sbuffer_clear(out);
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 12);
    pack_pair(&pk, "case_reference", "R-2024");
    size_t name = pack_offender(&pk, out, publisher);
    pack_pair(&pk, "offence_action_type", "Court Case");
    pack_pair(&pk, "offence_action_date", "2024-01-02");
    pack_pair(&pk, "offence_result", "Guilty");
    casebus_pack_text(&pk, "offence_fine_pence");
    size_t fine = out->size + 1;
    msgpack_pack_uint32(&pk, UINT32_MAX);
    casebus_pack_text(&pk, "offence_costs_pence");
    msgpack_pack_uint32(&pk, 70000);
    pack_breaches(&pk, padding);
    pack_pair(&pk, "regulator_function", "Construction");
    pack_pair(&pk, "url", "https://example.org/case");
    casebus_pack_text(&pk, "ext");
    msgpack_pack_map(&pk, 1);
    pack_pair(&pk, "area", "North");
    casebus_pack_text(&pk, "source");
    msgpack_pack_map(&pk, 2);
    casebus_pack_text(&pk, "page");
    size_t page = out->size + 1;
    msgpack_pack_uint32(&pk, UINT32_MAX);
    casebus_pack_text(&pk, "fetched_at");
    size_t fetched_at = out->size + 1;
    msgpack_pack_uint64(&pk, UINT64_MAX);
    self->name = out->data + name;
    self->fine = out->data + fine;
    self->page = out->data + page;
    self->fetched_at = out->data + fetched_at;
}

/* Of a body, before data: v 3, publisher 28, number 12, check 16, session 9 and its id, sent_at
 * 17, and the heads of the two maps and the key. */
#define REPORT_HEAD (1 + 3 + 28 + 12 + 16 + 9 + 17 + 5)

void sample_init(struct sample *self, unsigned publisher, size_t report_size,
                 size_t session_size)
{
    const size_t wanted = report_size - REPORT_HEAD - session_size;
    size_t padding = 100;
    msgpack_sbuffer_init(&self->data);
    pack_sample(self, publisher, padding);
    for (int again = 0; again < 2; again++) { /* twice: a longer text may have a longer head */
        padding = padding + wanted - self->data.size;
        pack_sample(self, publisher, padding);
    }
    self->key_size = (size_t)snprintf(self->key, sizeof self->key, "%u-%08u", publisher, 0u);
}

static void put_digits(char *at, unsigned width, unsigned number)
{
    while (width > 0) {
        at[--width] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* A prime below 10^8, and about its golden section. */
#define SCATTER_PRIME 99999989u
#define SCATTER_STEP 61803391u

void sample_scatter(struct sample *self, unsigned n)
{
    put_digits(self->key + self->key_size - 8, 8,
               (unsigned)((uint64_t)n * SCATTER_STEP % SCATTER_PRIME));
}

void sample_end(struct sample *self)
{
    msgpack_sbuffer_destroy(&self->data);
}

void sample_correct(struct sample *self, unsigned fine_pence)
{
    casebus_put_big_endian((unsigned char *)self->fine, fine_pence, 4);
}

void sample_stamp(struct sample *self, uint64_t fetched_at)
{
    casebus_put_big_endian((unsigned char *)self->fetched_at, fetched_at, 8);
}

/* One offender in four reports is new. All numbers stay above what a shorter form holds. */
void sample_turn_to(struct sample *self, unsigned n)
{
    put_digits(self->key + self->key_size - 8, 8, n);
    put_digits(self->name, 8, n / 4 * 4);
    sample_correct(self, 100000 + n);
    casebus_put_big_endian((unsigned char *)self->page, 100000 + n / 10, 4);
    sample_stamp(self, 1700000000000000u + n);
}
