/* A recorded list of entries ends in the same store however it is cut into batches. */
#include "sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 2000

/* xorshift: the list is the same at every run. */
static uint64_t seed, retired, lost, resumed;

static unsigned pick(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

static void some_case(struct desk *d)
{
    static const char *const verbs[] = {"scraped", "scraped", "scraped", "scraped",
                                        "scraped", "edited",  "deleted", "redacted"};
    static const char *const agencies[] = {"hse", "ea", "orr"};
    static const char *const sessions[] = {"s1", "s2", "nobody", NULL};
    char topic[128], data[512];
    const char *verb = verbs[pick(8)];
    if (strcmp(verb, "redacted") == 0 && pick(8) != 0) {
        verb = "scraped";
    }
    snprintf(topic, sizeof topic, "case:%s:%s:%u:", verb, agencies[pick(3)], pick(60));
    snprintf(data, sizeof data,
             "{'offender': {'name': 'Name %u', 'postcode': 'P%u'}, "
             "'offence_action_date': '20%02u-01-0%u', 'offence_fine_pence': %d, "
             "'source': {'fetched_at': %llu}}",
             pick(3), pick(2), 10 + pick(2), 1 + pick(3), (int)pick(5) - 1,
             1600000000000000ull + pick(4));
    d->session = sessions[pick(4)];
    bool bare = strcmp(verb, "deleted") == 0 || strcmp(verb, "redacted") == 0;
    desk_report(d, topic, bare ? NULL : data);
}

static void some_session(struct desk *d)
{
    char topic[64];
    static const char *const kinds[] = {"started", "progressed", "ended"};
    unsigned kind = pick(40) == 0 ? 2 : pick(2);
    snprintf(topic, sizeof topic, "session:%s:%s:s%u:", kinds[kind], pick(2) ? "hse" : "ea",
             1 + pick(2));
    desk_report(d, topic,
                kind == 1   ? "{'page': 3}"
                : kind == 2 ? "{'status': 'completed'}"
                            : NULL);
}

/* Seconds go by, one of them may be heard from, and somebody loses patience. */
static void some_seconds(struct desk *d)
{
    static const char *const heard[] = {NULL, NULL, "['hse:s1']", "['ea:s2', 'hse:nobody']"};
    if (pick(12) == 0) {
        desk_stop(d, pick(2) ? "s1" : "s2");
        return;
    }
    for (unsigned n = 1 + pick(16); n > 0; n--) {
        desk_tick(d, heard[pick(4)]);
        lost += strstr(desk_events(d), "lost") != NULL;
        resumed += strstr(desk_events(d), "resumed") != NULL;
    }
}

/* Numbered reports of two actors, what their polls say, and the end of those that fell
 * silent. */
static void some_number(struct desk *d, struct sender *senders)
{
    struct sender *s = &senders[pick(4)];
    uint64_t before = apply_state(d->apply)->publishers;
    unsigned what = pick(10);
    if (what < 6) {
        sender_next(d, s, "case:scraped:hse:1:",
                    pick(3) ? "{'offender': {'name': 'N'}}" : "{'offence_fine_pence': -1}");
    } else if (what < 8) {
        sender_ack(d, s, s->number, pick(2));
    } else {
        struct sender silent = senders[pick(4)];
        d->clock += pick(4) == 0 ? 30ull * 3600 * 1000000 : 0;
        sender_retire(d, &silent);
        retired += before - apply_state(d->apply)->publishers;
    }
    if (d->result.numbered && d->result.effect == EFFECT_AHEAD) { /* forgotten: begins again */
        s->number = 0;
        memset(s->check, 0, sizeof s->check);
    }
}

static void some_trimming(struct desk *d)
{
    desk_trim(d, (struct desk_bounds){.events = 200 + pick(500),
                                      .bytes = pick(3) * 100000,
                                      .most = 1 + pick(300)});
}

static void some_setting(struct desk *d)
{
    static const char *const settings[] = {"'name': 'A'", "'name': ''", "'enabled': false",
                                           "'base_url': 'https://a/'", "'base_url': 'a'"};
    char text[100];
    snprintf(text, sizeof text, "{'agency': '%s', %s}", pick(2) ? "hse" : "other",
             settings[pick(5)]);
    desk_set(d, text);
}

static uint64_t run(unsigned batch, unsigned *findings)
{
    struct desk d;
    struct sender senders[4] = {{.actor = "ann", .publisher = {1}},
                                {.actor = "ann", .publisher = {2}},
                                {.actor = "bob", .publisher = {1}},
                                {.actor = "bob", .publisher = {3}}};
    desk_open(&d);
    seed = 88172645463325252u;
    retired = lost = resumed = 0;
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (i % batch == 0) {
            desk_begin(&d);
        }
        if (pick(12) == 0) {
            some_session(&d);
        } else if (pick(20) == 0) {
            desk_decide(&d, pick(2) ? APPLY_ACCEPT : APPLY_REJECT, 1 + pick(2000), NULL);
        } else if (pick(8) == 0) {
            some_number(&d, senders);
        } else if (pick(30) == 0) {
            some_trimming(&d);
        } else if (pick(30) == 0) {
            some_seconds(&d);
        } else if (pick(30) == 0) {
            some_setting(&d);
        } else {
            some_case(&d);
        }
        if (i % batch == batch - 1 || i == ENTRIES - 1) {
            desk_end(&d);
        }
    }
    /* The list has all of it. */
    assert_true(retired > 0 && lost > 0 && resumed > 0 && desk_state(&d).floor > 1);
    uint64_t digest = desk_digest(&d);
    *findings = desk_findings(&d);
    desk_close(&d);
    return digest;
}

static void batch_boundaries_leave_no_trace(void **state)
{
    (void)state;
    unsigned findings;
    uint64_t one = run(1, &findings);
    assert_int_equal(findings, 0);
    static const unsigned sizes[] = {2, 7, 64, 1024, ENTRIES};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_true(run(sizes[i], &findings) == one);
        assert_int_equal(findings, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(batch_boundaries_leave_no_trace)};
    return cmocka_run_group_tests_name("apply: batches", tests, NULL, NULL);
}
