/* The outbox alone: what is on the disk is there at the next opening, what is damaged is found,
 * and each change is there whole or not at all. */
#include "test.h"

#include "compose.h"
#include "outbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char zero[CASEBUS_CHECK_SIZE];
static const unsigned char fresh_id[CASEBUS_PUBLISHER_SIZE] = "a fresh id......";
static const struct broker_state broker = {.known = true, .epoch = "epoch 7", .entry = 30};

static char folder[64];
static struct outbox *outbox;

static int open_outbox(void)
{
    struct outbox_options options = {folder, 1000, 1 << 20};
    return casebus_outbox_open(&outbox, &options);
}

static const struct outbox_state *state_of(void)
{
    return casebus_outbox_state(outbox);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/casebus-outbox-XXXXXX");
    return mkdtemp(folder) ? open_outbox() : -1;
}

static int teardown(void **state)
{
    (void)state;
    char path[512];
    casebus_outbox_close(&outbox);
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    closedir(dir);
    return rmdir(folder);
}

static void reopen(void)
{
    casebus_outbox_close(&outbox);
    assert_int_equal(open_outbox(), 0);
}

/* --- reports ------------------------------------------------------------------------------ */

static struct window staged;

/* Makes reports until `last`, of `size` bytes of text each, and gives them to the outbox. */
static int write_until(uint64_t last, size_t size)
{
    static unsigned char data[70000] = {0x81, 0xa1, 'x', 0xdb}; /* {"x": text} */
    (void)casebus_put_big_endian(data + 4, size, 4);
    memset(data + 8, 'x', size);
    assert_int_equal(casebus_window_init(&staged, 200, 1 << 20), 0);
    casebus_window_restart(&staged, state_of()->last + 1, state_of()->next_check);
    while (window_last(&staged) < last) {
        struct composer composer = {0};
        struct casebus_fault fault;
        char key[24];
        uint64_t number = window_last(&staged) + 1;
        snprintf(key, sizeof key, "case-%llu", (unsigned long long)number);
        struct casebus_report_parts parts = {.publisher = state_of()->id,
                                             .number = number - state_of()->base,
                                             .check = staged.next_check,
                                             .session = casebus_cstr("s1"),
                                             .data = casebus_bytes(data, 8 + size)};
        unsigned char next_check[CASEBUS_CHECK_SIZE];
        size_t check_at;
        struct kept *kept = casebus_window_next(&staged);
        assert_int_equal(casebus_compose_topic(&composer, CASEBUS_REPORT_SCRAPED,
                                               casebus_cstr("hse"), casebus_cstr(key), &fault),
                         0);
        assert_int_equal(casebus_compose_report(&composer, &parts, kept, &check_at), 0);
        casebus_compose_tie(kept, check_at, staged.next_check, next_check);
        casebus_window_push(&staged, next_check);
        casebus_composer_clear(&composer);
    }
    struct outbox_settled settled = state_of()->settled;
    int error = casebus_outbox_write(
        outbox, &(struct outbox_change){.reports = &staged, .settled = &settled});
    casebus_window_clear(&staged);
    return error;
}

static struct window window;

/* Reads everything that is kept into `window`. */
static int feed(struct outbox_damage *damage)
{
    assert_int_equal(casebus_window_init(&window, 200, 16 << 20), 0);
    casebus_window_restart(&window, state_of()->settled.through + 1, state_of()->settled.check);
    return casebus_outbox_feed(outbox, &window, damage);
}

static struct casebus_report decoded(uint64_t number)
{
    struct casebus_report report;
    struct casebus_fault fault;
    struct kept *kept = casebus_window_at(&window, number);
    assert_non_null(kept);
    assert_int_equal(casebus_report_decode(kept_topic(kept), kept_body(kept), &report, &fault),
                     0);
    return report;
}

/* Everything is tied as the broker will check it, from `first` on. */
static void assert_chain(uint64_t first, uint64_t last, const unsigned char *check)
{
    unsigned char expected[CASEBUS_CHECK_SIZE];
    memcpy(expected, check, sizeof expected);
    for (uint64_t n = first; n <= last; n++) {
        struct casebus_report report = decoded(n);
        struct kept *kept = casebus_window_at(&window, n);
        unsigned char hash[CASEBUS_HASH_SIZE];
        assert_memory_equal(report.head.check, expected, sizeof expected);
        assert_memory_equal(report.head.publisher, state_of()->id, CASEBUS_PUBLISHER_SIZE);
        assert_int_equal(report.head.number, n - state_of()->base);
        casebus_report_hash(kept_topic(kept), kept_body(kept), report.head.check_at, hash);
        casebus_check_next(expected, report.void_reason.data ? report.void_hash : hash);
    }
    assert_memory_equal(expected, state_of()->next_check, sizeof expected);
}

static void a_new_outbox_is_empty_and_keeps_its_id(void **state)
{
    (void)state;
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    memcpy(id, state_of()->id, sizeof id);
    assert_int_equal(state_of()->last, 0);
    assert_int_equal(state_of()->split.last, 0);
    reopen();
    assert_memory_equal(state_of()->id, id, sizeof id);
}

static void what_was_written_is_there_byte_for_byte(void **state)
{
    (void)state;
    struct outbox_damage damage;
    assert_int_equal(write_until(40, 300), 0);
    assert_int_equal(write_until(50, 5000), 0); /* on pages of their own */
    reopen();
    assert_int_equal(state_of()->last, 50);
    assert_int_equal(feed(&damage), 0);
    assert_int_equal(window_last(&window), 50);
    assert_chain(1, 50, zero);
    casebus_window_clear(&window);
}

static void a_window_is_fed_as_far_as_it_has_room(void **state)
{
    (void)state;
    struct outbox_damage damage;
    assert_int_equal(write_until(50, 10), 0);
    assert_int_equal(casebus_window_init(&window, 8, 1 << 20), 0);
    assert_int_equal(casebus_outbox_feed(outbox, &window, &damage), 0);
    assert_int_equal(window_last(&window), 8);
    casebus_window_drop(&window, 5);
    assert_int_equal(casebus_outbox_feed(outbox, &window, &damage), 0);
    assert_int_equal(window_last(&window), 13);
    casebus_window_clear(&window);
}

static void two_do_not_have_it_open(void **state)
{
    (void)state;
    struct outbox *other;
    struct outbox_options options = {folder, 1000, 1 << 20};
    assert_int_equal(casebus_outbox_open(&other, &options), CASEBUS_ELOCKED);
    assert_null(other);
}

static void a_folder_in_nowhere_is_an_io_error(void **state)
{
    (void)state;
    struct outbox *other;
    struct outbox_options options = {"/nowhere/at/all", 1000, 1 << 20};
    assert_int_equal(casebus_outbox_open(&other, &options), CASEBUS_EIO);
}

static void it_is_bounded_by_count_and_bytes(void **state)
{
    (void)state;
    assert_true(casebus_outbox_has_room(outbox, 0, 1, 1 << 21)); /* empty: one of any size */
    assert_int_equal(write_until(10, 10), 0);
    assert_true(casebus_outbox_has_room(outbox, 0, 990, 1000));
    assert_false(casebus_outbox_has_room(outbox, 0, 991, 1000));
    assert_false(casebus_outbox_has_room(outbox, 0, 1, 1 << 20));
    assert_true(casebus_outbox_has_room(outbox, 10, 1, 1 << 21)); /* all of it is decided */
}

/* --- what is confirmed -------------------------------------------------------------------- */

/* As a broker would say it: these numbers are rejected. */
static struct casebus_bytes refusals_of(msgpack_sbuffer *out, const uint64_t *numbers,
                                        size_t count, const char *outcome)
{
    msgpack_packer pk;
    msgpack_sbuffer_init(out);
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, count);
    for (size_t i = 0; i < count; i++) {
        msgpack_pack_map(&pk, 3);
        casebus_pack_text(&pk, "number");
        msgpack_pack_uint64(&pk, numbers[i]);
        casebus_pack_text(&pk, "outcome");
        casebus_pack_text(&pk, outcome);
        casebus_pack_text(&pk, "code");
        casebus_pack_text(&pk, "missing");
    }
    return casebus_bytes(out->data, out->size);
}

static int settle_as(uint64_t through, const uint64_t *refused, size_t count,
                     const char *outcome)
{
    struct outbox_settled settled = state_of()->settled;
    msgpack_sbuffer bytes;
    struct casebus_bytes refusals = refusals_of(&bytes, refused, count, outcome);
    settled.through = through;
    settled.broker = broker;
    settled.outcomes[CASEBUS_OUTCOME_CREATED] = 5;
    assert_int_equal(casebus_outbox_check(outbox, through + 1, settled.check), 0);
    int error = casebus_outbox_write(
        outbox, &(struct outbox_change){.settled = &settled, .refusals = refusals});
    msgpack_sbuffer_destroy(&bytes);
    return error;
}

static int settle(uint64_t through, const uint64_t *refused, size_t count)
{
    return settle_as(through, refused, count, "rejected");
}

static void what_is_confirmed_goes_and_is_remembered(void **state)
{
    (void)state;
    struct outbox_damage damage;
    assert_int_equal(write_until(10, 10), 0);
    uint64_t before = state_of()->bytes;
    assert_int_equal(settle(6, NULL, 0), 0);
    reopen();
    assert_int_equal(state_of()->settled.through, 6);
    assert_int_equal(state_of()->settled.broker.entry, 30);
    assert_int_equal(state_of()->settled.outcomes[CASEBUS_OUTCOME_CREATED], 5);
    assert_in_range(state_of()->bytes, 1, before / 2);
    assert_int_equal(feed(&damage), 0);
    assert_chain(7, 10, state_of()->settled.check);
    casebus_window_clear(&window);
}

static void refusals_stay_with_their_report_until_taken(void **state)
{
    (void)state;
    const uint64_t refused[] = {2, 3};
    struct casebus_refusal refusal;
    uint64_t key;
    assert_int_equal(write_until(4, 10), 0);
    assert_int_equal(settle(4, refused, 2), 0);
    reopen();
    assert_int_equal(casebus_outbox_refusal(outbox, 0, &key, &refusal), 1);
    assert_int_equal(refusal.number, 2);
    assert_int_equal(refusal.code, CASEBUS_EMISSING);
    assert_int_equal(refusal.outcome, CASEBUS_OUTCOME_REJECTED);
    assert_true(casebus_bytes_is(refusal.topic, "case:scraped:hse:case-2:"));
    assert_true(casebus_bytes_is(refusal.session, "s1"));
    assert_int_equal(casebus_as_str(casebus_map_get(refusal.data, "x")).size, 10);
    assert_int_equal(casebus_outbox_refusal(outbox, key, &key, &refusal), 1);
    assert_int_equal(refusal.number, 3);
    assert_int_equal(casebus_outbox_refusal(outbox, key, &key, &refusal), 0);

    struct outbox_settled settled = state_of()->settled;
    settled.taken = 2;
    assert_int_equal(casebus_outbox_write(outbox, &(struct outbox_change){.settled = &settled}),
                     0);
    reopen();
    assert_int_equal(casebus_outbox_refusal(outbox, state_of()->settled.taken, &key, &refusal),
                     0);
    assert_int_equal(state_of()->bytes, 0);
}

/* --- damage ------------------------------------------------------------------------------- */

/* Changes a stored value behind the outbox's back; `at` from its beginning, or from its end. */
static void damage_value(const char *tree, const void *name, size_t name_size, long at)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val key = {name_size, (void *)name}, value;
    casebus_outbox_close(&outbox);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 3), 0);
    assert_int_equal(mdb_env_open(env, folder, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, tree, 0, &dbi), 0);
    assert_int_equal(mdb_get(txn, dbi, &key, &value), 0);
    unsigned char *copy = malloc(value.mv_size);
    memcpy(copy, value.mv_data, value.mv_size);
    copy[at < 0 ? (long)value.mv_size + at : at] ^= 1;
    value.mv_data = copy;
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    free(copy);
    assert_int_equal(open_outbox(), 0);
}

static void damage_report(uint64_t number, long at)
{
    unsigned char key[8];
    (void)casebus_put_big_endian(key, number, 8);
    damage_value("reports", key, sizeof key, at);
}

/* Puts a void in the damaged report's place, as the publisher does. */
static void mend(const struct outbox_damage *damage)
{
    struct kept kept = {.cause = KEPT_DAMAGED};
    memcpy(kept.check, window.next_check, sizeof kept.check);
    struct casebus_report_parts parts = {.publisher = state_of()->id,
                                         .number = damage->number - state_of()->base,
                                         .check = kept.check,
                                         .void_reason = casebus_cstr(OUTBOX_DAMAGED),
                                         .void_hash = damage->hash};
    assert_int_equal(
        casebus_compose_void(casebus_bytes(damage->topic, damage->topic_size), &parts, &kept),
        0);
    assert_int_equal(casebus_outbox_replace(outbox, damage->number, &kept), 0);
    kept_close(&kept);
}

static void a_damaged_report_is_found_and_a_void_continues_the_chain(void **state)
{
    (void)state;
    struct outbox_damage damage;
    assert_int_equal(write_until(9, 50), 0);
    damage_report(4, -40);
    assert_int_equal(feed(&damage), CASEBUS_ECORRUPT);
    assert_int_equal(damage.number, 4);
    assert_int_equal(window_last(&window), 3);
    mend(&damage);
    reopen();
    assert_int_equal(casebus_outbox_feed(outbox, &window, &damage), 0);
    assert_chain(1, 9, zero);
    assert_true(casebus_bytes_is(decoded(4).void_reason, OUTBOX_DAMAGED));
    assert_true(casebus_bytes_is(decoded(4).topic.segment[3], "case-4"));
    casebus_window_clear(&window);
}

static void the_last_report_can_be_damaged_as_well(void **state)
{
    (void)state;
    struct outbox_damage damage;
    assert_int_equal(write_until(3, 50), 0);
    damage_report(3, -1);
    assert_int_equal(feed(&damage), CASEBUS_ECORRUPT);
    assert_int_equal(damage.number, 3);
    casebus_window_clear(&window);
}

static void a_void_is_told_when_it_is_decided(void **state)
{
    (void)state;
    struct outbox_damage damage;
    struct casebus_refusal refusal;
    uint64_t key;
    assert_int_equal(write_until(9, 50), 0);
    damage_report(4, -40);
    assert_int_equal(feed(&damage), CASEBUS_ECORRUPT);
    mend(&damage);
    casebus_window_clear(&window);
    assert_int_equal(settle(3, NULL, 0), 0);
    assert_int_equal(casebus_outbox_refusal(outbox, 0, &key, &refusal), 0);
    assert_int_equal(settle_as(9, (uint64_t[]){4}, 1, "void"), 0);
    assert_int_equal(casebus_outbox_refusal(outbox, 0, &key, &refusal), 1);
    assert_int_equal(refusal.number, 4);
    assert_int_equal(refusal.outcome, CASEBUS_OUTCOME_VOID);
    assert_int_equal(refusal.code, CASEBUS_ECORRUPT);
    assert_int_equal(casebus_outbox_refusal(outbox, key, &key, &refusal), 0);
    assert_int_equal(state_of()->voids, 0);
}

static void without_its_hash_the_chain_has_ended(void **state)
{
    (void)state;
    struct outbox_damage damage;
    assert_int_equal(write_until(9, 50), 0);
    damage_report(4, 10); /* in the hash */
    assert_int_equal(feed(&damage), CASEBUS_EDIVERGED);
    casebus_window_clear(&window);
}

static void a_damaged_neighbour_hides_no_check(void **state)
{
    (void)state;
    unsigned char check[CASEBUS_CHECK_SIZE], again[CASEBUS_CHECK_SIZE];
    assert_int_equal(write_until(9, 50), 0);
    assert_int_equal(casebus_outbox_check(outbox, 5, check), 0);
    damage_report(5, 2); /* in the check itself */
    assert_int_equal(casebus_outbox_check(outbox, 5, again), 0);
    assert_memory_equal(check, again, sizeof check);
}

static void a_state_that_is_lost_is_made_again_under_a_fresh_id(void **state)
{
    (void)state;
    struct outbox_damage damage;
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    assert_int_equal(write_until(9, 50), 0);
    assert_int_equal(settle(2, NULL, 0), 0);
    memcpy(id, state_of()->id, sizeof id);
    damage_value("state", "state", 5, 40);
    assert_memory_not_equal(state_of()->id, id, sizeof id);
    assert_int_equal(state_of()->settled.through, 2);
    assert_int_equal(state_of()->last, 9);
    assert_int_equal(state_of()->split.first, 3);
    assert_int_equal(state_of()->split.last, 9);
    assert_int_equal(feed(&damage), 0);
    assert_chain(3, 9, zero);
    casebus_window_clear(&window);
}

static void a_refusal_that_is_damaged_says_so(void **state)
{
    (void)state;
    const uint64_t refused[] = {1};
    struct casebus_refusal refusal;
    unsigned char name[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    uint64_t key;
    assert_int_equal(write_until(1, 50), 0);
    assert_int_equal(settle(1, refused, 1), 0);
    damage_value("refusals", name, sizeof name, 9);
    assert_int_equal(casebus_outbox_refusal(outbox, 0, &key, &refusal), 1);
    assert_int_equal(refusal.code, CASEBUS_ECORRUPT);
}

/* The last pages of the file are gone, as after a file system lost them. */
static void a_file_that_lost_its_end_opens_and_the_damage_is_found(void **state)
{
    (void)state;
    char path[128];
    struct stat file;
    struct outbox_damage damage;
    assert_int_equal(write_until(3, 60000), 0);
    casebus_outbox_close(&outbox);
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    int fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &file), 0);
    close(fd);
    /* Which page is the last is LMDB's to choose: what opens afterwards has been saved, or has
     * lost a report and says so; or it says that it cannot be read. */
    assert_int_equal(truncate(path, file.st_size - 8192), 0);
    int error = open_outbox();
    bool saved = error == 0 && casebus_outbox_salvaged(outbox);
    if (error == 0) {
        error = feed(&damage);
        casebus_window_clear(&window);
    }
    assert_true(saved || error == CASEBUS_ECORRUPT || error == CASEBUS_EDIVERGED);
}

/* The data file, as it was when `image` was read, with one page of it overwritten. */
static void write_file(const unsigned char *image, size_t size, size_t page)
{
    char path[128];
    unsigned char garbage[4096];
    memset(garbage, 0xa5, sizeof garbage);
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    int fd = open(path, O_RDWR | O_TRUNC);
    assert_int_equal(pwrite(fd, image, size, 0), size);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, (off_t)(page * sizeof garbage)),
                     sizeof garbage);
    close(fd);
}

static unsigned char *read_file(size_t *size)
{
    char path[128];
    struct stat file;
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    int fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &file), 0);
    *size = (size_t)file.st_size;
    unsigned char *image = malloc(*size);
    assert_int_equal(read(fd, image, *size), *size);
    close(fd);
    return image;
}

/* Of an outbox that opened: each report is whole or a void, and it goes on. How many are void.
 */
static uint64_t count_lost(void)
{
    struct outbox_damage damage;
    assert_int_equal(state_of()->last, 30);
    int error = feed(&damage);
    casebus_window_clear(&window);
    if (error) {
        assert_true(error == CASEBUS_ECORRUPT || error == CASEBUS_EDIVERGED);
        assert_int_equal(casebus_outbox_renumber(outbox, fresh_id, &broker), 0);
    }
    assert_int_equal(feed(&damage), 0);
    assert_chain(11, 30, error ? zero : state_of()->settled.check);
    casebus_window_clear(&window);
    assert_int_equal(write_until(33, 100), 0);
    assert_int_equal(feed(&damage), 0);
    assert_chain(11, 33, error ? zero : state_of()->settled.check);
    casebus_window_clear(&window);
    uint64_t lost = state_of()->voids;
    assert_true(!error == !lost);
    assert_int_equal(settle(33, NULL, 0), 0);
    reopen();
    assert_int_equal(state_of()->last, 33);
    return lost;
}

static void whichever_page_is_damaged_the_others_are_sent(void **state)
{
    (void)state;
    size_t size, refused = 0, mended = 0, all = 0, renamed = 0, salvaged = 0;
    uint64_t lost = 0;
    assert_int_equal(write_until(10, 900), 0);
    assert_int_equal(write_until(29, 900), 0);
    assert_int_equal(write_until(30, 9000), 0);
    assert_int_equal(settle(10, (uint64_t[]){3}, 1), 0);
    casebus_outbox_close(&outbox);
    unsigned char *image = read_file(&size);
    for (size_t page = 2; page < size / 4096; page++) {
        write_file(image, size, page);
        int error = open_outbox();
        assert_true(error == 0 || error == CASEBUS_ECORRUPT);
        if (error) {
            refused++; /* and left as it was */
            continue;
        }
        renamed += state_of()->split.last > 0;
        salvaged += casebus_outbox_salvaged(outbox);
        uint64_t more = count_lost();
        lost += more;
        mended += more > 0;
        all += more == 20;
        casebus_outbox_close(&outbox);
    }
    assert_int_equal(refused, 1); /* the one that says where the trees are */
    assert_int_equal(renamed, 1); /* the state's */
    assert_true(salvaged > 3 && all == 1 && mended > 3 &&
                lost >= 40); /* the one above the others */
    write_file(image, size, size / 4096 + 10);
    assert_int_equal(open_outbox(), 0);
    free(image);
}

/* --- a fresh id --------------------------------------------------------------------------- */

static void renumbering_keeps_what_is_reported(void **state)
{
    (void)state;
    struct outbox_damage damage;
    unsigned char old_id[CASEBUS_PUBLISHER_SIZE];
    memcpy(old_id, state_of()->id, sizeof old_id);
    assert_int_equal(write_until(150, 300), 0);
    assert_int_equal(settle(130, NULL, 0), 0);
    assert_int_equal(casebus_outbox_renumber(outbox, fresh_id, &broker), 0);
    reopen();
    assert_memory_equal(state_of()->id, fresh_id, sizeof fresh_id);
    assert_memory_equal(state_of()->split.id, old_id, sizeof old_id);
    assert_int_equal(state_of()->split.first, 131);
    assert_int_equal(state_of()->split.last, 150);
    assert_int_equal(state_of()->base, 130);
    assert_int_equal(feed(&damage), 0);
    assert_chain(131, 150, zero);
    assert_int_equal(casebus_as_str(casebus_map_get(decoded(140).data, "x")).size, 300);
    assert_true(casebus_bytes_is(decoded(140).session, "s1"));
    assert_true(casebus_bytes_is(decoded(140).topic.segment[3], "case-140"));
    casebus_window_clear(&window);
    assert_int_equal(write_until(155, 10), 0); /* and it goes on from there */
    assert_int_equal(feed(&damage), 0);
    assert_chain(131, 155, zero);
    casebus_window_clear(&window);
}

static void renumbering_makes_voids_of_what_is_lost(void **state)
{
    (void)state;
    struct outbox_damage damage;
    assert_int_equal(write_until(9, 50), 0);
    damage_report(4, 10);
    damage_report(5, -30);
    assert_int_equal(casebus_outbox_renumber(outbox, fresh_id, &broker), 0);
    assert_int_equal(state_of()->voids, 2);
    damage_value("state", "state", 5, 40); /* another fresh id: the voids stay voids */
    assert_int_equal(state_of()->voids, 2);
    assert_int_equal(feed(&damage), 0);
    assert_chain(1, 9, zero);
    assert_non_null(decoded(4).void_reason.data);
    assert_non_null(decoded(5).void_reason.data);
    casebus_window_clear(&window);
}

/* --- no space ----------------------------------------------------------------------------- */

/* The folder on a file system of its own, which is full soon. */
static int setup_small(void **state)
{
    strcpy(folder, "/tmp/casebus-outbox-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    if (mount("tmpfs", folder, "tmpfs", 0, "size=6m") != 0) {
        *state = "a file system of its own needs root";
        return 0;
    }
    *state = NULL;
    return open_outbox();
}

static int teardown_small(void **state)
{
    casebus_outbox_close(&outbox);
    return *state || umount2(folder, MNT_DETACH) == 0 ? rmdir(folder) : -1;
}

static void skip_without_root(void **state)
{
    if (*state) {
        print_message("skipped: %s\n", (const char *)*state);
        skip();
    }
}

static void set_size(const char *size)
{
    assert_int_equal(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, size), 0);
}

static void a_full_disk_refuses_a_report_and_keeps_the_rest(void **state)
{
    struct outbox_damage damage;
    uint64_t last = 0;
    int error = 0;
    skip_without_root(state);
    while (!error && last < 200) {
        error = write_until(last + 1, 60000);
        last += error ? 0 : 1;
    }
    assert_int_equal(error, CASEBUS_ENOSPC);
    assert_int_equal(state_of()->last, last);
    assert_true(last > 10);
    assert_int_equal(write_until(last + 1, 60000), CASEBUS_ENOSPC);
    assert_int_equal(settle(last / 2, NULL, 0), 0); /* letting go has its room */
    reopen();
    assert_int_equal(state_of()->last, last);
    set_size("size=60m");
    assert_int_equal(write_until(last + 1, 60000), 0);
    assert_int_equal(feed(&damage), 0);
    assert_chain(last / 2 + 1, last + 1, state_of()->settled.check);
    casebus_window_clear(&window);
}

/* More than what is set aside for letting go would do at once. */
static void a_full_disk_lets_go_of_any_number(void **state)
{
    const uint64_t refused[] = {7, 4000};
    uint64_t last = 0;
    int error = 0;
    skip_without_root(state);
    while (!error && last < 100000) {
        error = write_until(last + 200, 100);
        last += error ? 0 : 200;
    }
    assert_int_equal(error, CASEBUS_ENOSPC);
    assert_true(last > 5000);
    assert_int_equal(settle(last - 1, refused, 2), 0);
    reopen();
    assert_int_equal(state_of()->settled.through, last - 1);
    assert_int_equal(state_of()->refusals, 2);
    assert_int_equal(settle(last, NULL, 0), 0);
    set_size("size=60m");
    assert_int_equal(write_until(last + 200, 100), 0);
}

static void a_full_disk_renumbers_nothing_or_all(void **state)
{
    struct outbox_damage damage;
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    skip_without_root(state);
    memcpy(id, state_of()->id, sizeof id);
    for (uint64_t n = 1; n <= 40; n++) {
        assert_int_equal(write_until(n, 60000), 0);
    }
    assert_int_equal(casebus_outbox_renumber(outbox, fresh_id, &broker), CASEBUS_ENOSPC);
    assert_memory_equal(state_of()->id, id, sizeof id);
    reopen();
    assert_memory_equal(state_of()->id, id, sizeof id);
    assert_int_equal(feed(&damage), 0);
    assert_chain(1, window_last(&window), zero);
    casebus_window_clear(&window);
    set_size("size=60m");
    assert_int_equal(casebus_outbox_renumber(outbox, fresh_id, &broker), 0);
}

/* A write that fails in the middle of a commit. */
static void a_commit_that_fails_has_not_been(void **state)
{
    (void)state;
    struct outbox_damage damage;
    struct rlimit before, limit;
    assert_int_equal(write_until(3, 60000), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 300000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int error = write_until(9, 60000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(error == CASEBUS_EIO || error == CASEBUS_ENOSPC);
    assert_int_equal(state_of()->last, 3);
    reopen();
    assert_int_equal(state_of()->last, 3);
    assert_int_equal(feed(&damage), 0);
    assert_chain(1, 3, zero);
    casebus_window_clear(&window);
    assert_int_equal(write_until(9, 60000), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown_small)
    const struct CMUnitTest tests[] = {
        T(a_new_outbox_is_empty_and_keeps_its_id),
        T(what_was_written_is_there_byte_for_byte),
        T(a_window_is_fed_as_far_as_it_has_room),
        T(two_do_not_have_it_open),
        T(a_folder_in_nowhere_is_an_io_error),
        T(it_is_bounded_by_count_and_bytes),
        T(what_is_confirmed_goes_and_is_remembered),
        T(refusals_stay_with_their_report_until_taken),
        T(a_damaged_report_is_found_and_a_void_continues_the_chain),
        T(the_last_report_can_be_damaged_as_well),
        T(a_void_is_told_when_it_is_decided),
        T(without_its_hash_the_chain_has_ended),
        T(a_damaged_neighbour_hides_no_check),
        T(a_state_that_is_lost_is_made_again_under_a_fresh_id),
        T(a_refusal_that_is_damaged_says_so),
        T(whichever_page_is_damaged_the_others_are_sent),
        T(a_file_that_lost_its_end_opens_and_the_damage_is_found),
        T(renumbering_keeps_what_is_reported),
        T(renumbering_makes_voids_of_what_is_lost),
        SMALL(a_full_disk_refuses_a_report_and_keeps_the_rest),
        SMALL(a_full_disk_lets_go_of_any_number),
        SMALL(a_full_disk_renumbers_nothing_or_all),
        T(a_commit_that_fails_has_not_been),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
