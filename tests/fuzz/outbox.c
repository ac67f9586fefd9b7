/* The outbox reader, on an outbox that was damaged: it opens or says why not, gives out nothing
 * but what was put in, and what cannot be read any more goes as a void under a fresh id.
 *
 * The bytes are read as they are by each decoder, sealed with a right digest and not; then as
 * damage, four bytes a piece: which value, how, where, and with what; or bytes of the file. */
#include "fuzz.h"

#include "compose.h"
#include "outbox_pack.h"

#include <lmdb.h>
#include <sys/stat.h>

#define REPORTS 5
#define REFUSALS 2
#define PAGE 4096

static const unsigned char zero[CASEBUS_CHECK_SIZE];
static const unsigned char fresh_id[CASEBUS_PUBLISHER_SIZE] = "a fresh id......";
static char folder[] = "/dev/shm/casebus-fuzz-outbox-XXXXXX";
static struct window made; /* what was put in */
static char *image;        /* data.mdb, as it was then */
static size_t image_size;

/* --- decoders --------------------------------------------------------------------------- */

static void check_refusal(const struct casebus_refusal *refusal)
{
    struct casebus_refusal again;
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    outbox_pack_refusal(refusal, &out);
    outbox_unpack_refusal(casebus_bytes(out.data, out.size), &again);
    HOLDS(again.number == refusal->number && again.outcome == refusal->outcome);
    HOLDS(again.code == refusal->code && again.quarantine == refusal->quarantine);
    HOLDS(casebus_bytes_equal(again.reason, refusal->reason));
    HOLDS(casebus_bytes_equal(again.data, refusal->data));
    msgpack_sbuffer_destroy(&out);
}

static void decode(struct casebus_bytes bytes)
{
    struct outbox_state state;
    struct outbox_report report;
    struct casebus_refusal refusal;
    int error = outbox_unpack_state(bytes, &state);
    if (!error) {
        unsigned char again[OUTBOX_STATE_SIZE];
        HOLDS(state.base <= state.settled.through && state.settled.through <= state.last);
        outbox_pack_state(&state, again);
        HOLDS(bytes.size == sizeof again);
    }
    HOLDS(error == 0 || error == CASEBUS_ESCHEMA || error == CASEBUS_ECORRUPT);
    error = outbox_unpack_report(bytes, &report);
    HOLDS(error == 0 || (error == CASEBUS_ECORRUPT && report.body.data == NULL));
    HOLDS(report.topic.size + report.body.size <= bytes.size);
    outbox_unpack_refusal(bytes, &refusal);
    check_refusal(&refusal);
}

static void decode_both(const uint8_t *data, size_t size)
{
    unsigned char *sealed = malloc(size + OUTBOX_DIGEST);
    HOLDS(sealed != NULL);
    if (size > 0) {
        memcpy(sealed, data, size);
    }
    casebus_report_hash(casebus_bytes(NULL, 0), casebus_bytes(data, size), 0, sealed + size);
    decode(casebus_bytes(data, size));
    decode(casebus_bytes(sealed, size + OUTBOX_DIGEST));
    free(sealed);
}

/* --- an outbox -------------------------------------------------------------------------- */

static struct outbox *open_outbox(void)
{
    struct outbox_options options = {folder, 1000, 1 << 20};
    struct outbox *outbox = NULL;
    int error = casebus_outbox_open(&outbox, &options);
    HOLDS(!error == (outbox != NULL));
    HOLDS(!error || error == CASEBUS_ECORRUPT || error == CASEBUS_ESCHEMA);
    return outbox;
}

static void make_report(const struct outbox_state *state)
{
    static const unsigned char data[] = {0x81, 0xa1, 'x', 0xa3, 'o', 'n', 'e'};
    struct composer composer = {.stem = 0};
    struct casebus_fault fault;
    unsigned char next_check[CASEBUS_CHECK_SIZE];
    size_t check_at;
    struct casebus_report_parts parts = {.publisher = state->id,
                                         .number = window_last(&made) + 1,
                                         .check = made.next_check,
                                         .data = casebus_bytes(data, sizeof data)};
    struct kept *kept = casebus_window_next(&made);
    HOLDS(casebus_compose_topic(&composer, CASEBUS_REPORT_SCRAPED, casebus_cstr("hse"),
                                casebus_cstr("4812345"), &fault) == 0);
    HOLDS(casebus_compose_report(&composer, &parts, kept, &check_at) == 0);
    casebus_compose_tie(kept, check_at, made.next_check, next_check);
    casebus_window_push(&made, next_check);
    casebus_composer_clear(&composer);
}

static const char *data_file(void)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    return path;
}

static void remove_folder(void)
{
    char path[64];
    unlink(data_file());
    snprintf(path, sizeof path, "%s/lock.mdb", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/damaged.mdb", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/outbox.lock", folder);
    unlink(path);
    rmdir(folder);
}

/* Once: the outbox that is damaged again and again. */
static void make(void)
{
    HOLDS(mkdtemp(folder) && atexit(remove_folder) == 0);
    struct outbox *outbox = open_outbox();
    const struct outbox_state *state = casebus_outbox_state(outbox);
    struct outbox_settled settled = state->settled;
    HOLDS(casebus_window_init(&made, REPORTS, 1 << 20) == 0);
    casebus_window_restart(&made, 1, zero);
    while (window_last(&made) < REPORTS) {
        make_report(state);
    }
    struct outbox_change change = {.reports = &made, .settled = &settled};
    HOLDS(casebus_outbox_write(outbox, &change) == 0);
    casebus_outbox_close(&outbox);
    FILE *file = fopen(data_file(), "rb");
    struct stat about;
    HOLDS(file && stat(data_file(), &about) == 0);
    image_size = (size_t)about.st_size;
    image = malloc(image_size);
    HOLDS(image && fread(image, 1, image_size, file) == image_size);
    fclose(file);
}

/* In place: what is reserved behind it stays reserved. */
static void put_back(void)
{
    FILE *file = fopen(data_file(), "r+b");
    HOLDS(file && fwrite(image, 1, image_size, file) == image_size && fclose(file) == 0);
}

/* --- damage ----------------------------------------------------------------------------- */

/* A value of the outbox, changed: bytes of it, its end, or all of it. */
static void damage_one(MDB_txn *txn, const MDB_dbi tree[3], const uint8_t piece[4])
{
    unsigned char number[8] = {0};
    char name[] = "state";
    unsigned which = piece[0] % 3;
    number[7] = (unsigned char)(1 + piece[0] / 3 % (which == 0 ? REPORTS : REFUSALS));
    MDB_val key = {8, number}, value;
    if (which == 2) {
        key = (MDB_val){sizeof name - 1, name};
    }
    if (mdb_get(txn, tree[which], &key, &value) != 0) {
        value = (MDB_val){0, ""}; /* a refusal that there never was */
    }
    unsigned char *bytes = malloc(value.mv_size + 1);
    HOLDS(bytes != NULL);
    memcpy(bytes, value.mv_data, value.mv_size);
    bytes[value.mv_size] = piece[3];
    size_t at = value.mv_size ? piece[2] * value.mv_size / 256 : 0;
    MDB_val now = {value.mv_size, bytes};
    if (piece[1] % 4 == 0) {
        now.mv_size = at;
    } else if (piece[1] % 4 == 1) {
        now.mv_size++;
    } else {
        bytes[at] ^= piece[3];
    }
    int rc = piece[1] % 16 == 15 ? mdb_del(txn, tree[which], &key, NULL)
                                 : mdb_put(txn, tree[which], &key, &now, 0);
    HOLDS(rc == 0 || rc == MDB_NOTFOUND);
    free(bytes);
}

/* Which bytes go to the file itself, once all else is done. */
static bool is_of_file(const uint8_t piece[4])
{
    return piece[0] >= 0xc0;
}

/* Behind the two pages that LMDB has read before anybody can look at them. */
static void damage_file(const uint8_t *data, size_t size, size_t pages)
{
    FILE *file = fopen(data_file(), "r+b");
    HOLDS(file != NULL);
    for (size_t i = 0; i + 4 <= size && i < 64; i += 4) {
        const uint8_t *piece = data + i;
        size_t at = (size_t)(piece[0] << 16 | piece[1] << 8 | piece[2]) % ((pages - 2) * PAGE);
        if (is_of_file(piece)) {
            HOLDS(fseek(file, (long)(2 * PAGE + at), SEEK_SET) == 0);
            HOLDS(fputc(piece[3], file) != EOF);
        }
    }
    HOLDS(fclose(file) == 0);
}

static void damage(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"reports", "refusals", "state"};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi tree[3];
    MDB_envinfo info;
    HOLDS(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 3) == 0);
    HOLDS(mdb_env_open(env, folder, MDB_NOSYNC, 0600) == 0);
    HOLDS(mdb_txn_begin(env, NULL, 0, &txn) == 0);
    for (int i = 0; i < 3; i++) {
        HOLDS(mdb_dbi_open(txn, names[i], 0, &tree[i]) == 0);
    }
    for (size_t at = 0; at + 4 <= size && at < 64; at += 4) {
        if (!is_of_file(data + at)) {
            damage_one(txn, tree, data + at);
        }
    }
    HOLDS(mdb_txn_commit(txn) == 0);
    mdb_env_info(env, &info);
    mdb_env_close(env);
    damage_file(data, size, info.me_last_pgno + 1);
}

/* --- what is read of it ----------------------------------------------------------------- */

static bool is_as_made(const struct kept *kept, uint64_t number)
{
    const struct kept *original = casebus_window_at(&made, number);
    return casebus_bytes_equal(kept_topic(kept), kept_topic(original)) &&
           casebus_bytes_equal(kept_body(kept), kept_body(original));
}

/* Reads on as far as it gets: how many reports. */
static size_t feed(struct outbox *outbox, bool renumbered)
{
    const struct outbox_state *state = casebus_outbox_state(outbox);
    struct outbox_damage ignored;
    struct window window;
    HOLDS(casebus_window_init(&window, REPORTS, 1 << 20) == 0);
    casebus_window_restart(&window, state->settled.through + 1, state->settled.check);
    int error = casebus_outbox_feed(outbox, &window, &ignored);
    HOLDS(error == 0 || error == CASEBUS_ECORRUPT || error == CASEBUS_EDIVERGED);
    HOLDS(!renumbered || error == 0);
    for (uint64_t n = window.first; n <= window_last(&window); n++) {
        const struct kept *kept = casebus_window_at(&window, n);
        struct casebus_report report;
        HOLDS(renumbered || is_as_made(kept, n));
        HOLDS(casebus_report_decode(kept_topic(kept), kept_body(kept), &report, NULL) == 0);
        HOLDS(report.head.number == n - state->base);
        HOLDS((report.void_reason.data != NULL) == (kept->cause != KEPT_WHOLE));
    }
    size_t count = window.count;
    casebus_window_clear(&window);
    return count;
}

static void read_each(struct outbox *outbox)
{
    const struct outbox_state *state = casebus_outbox_state(outbox);
    struct casebus_refusal refusal;
    uint64_t key = 0;
    for (uint64_t n = state->settled.through + 1; n <= state->last; n++) {
        unsigned char check[CASEBUS_CHECK_SIZE];
        struct kept kept;
        (void)casebus_outbox_check(outbox, n, check);
        if (casebus_outbox_read(outbox, n, &kept) == 0) {
            HOLDS(is_as_made(&kept, n) || state->base > 0 || state->split.last > 0);
            kept_close(&kept);
        }
    }
    while (casebus_outbox_refusal(outbox, key, &key, &refusal) == 1) {
        HOLDS(key <= state->refusals && refusal.code == CASEBUS_ECORRUPT);
    }
}

static void settle_all(struct outbox *outbox)
{
    struct outbox_settled settled = casebus_outbox_state(outbox)->settled;
    settled.through = casebus_outbox_state(outbox)->last;
    settled.taken = casebus_outbox_state(outbox)->refusals;
    HOLDS(casebus_outbox_write(outbox, &(struct outbox_change){.settled = &settled}) == 0);
    HOLDS(casebus_outbox_has_room(outbox, settled.through, 1, 100));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_both(data, size);
    if (!image) {
        make();
    }
    put_back();
    damage(data, size);
    struct outbox *outbox = open_outbox();
    if (!outbox) {
        return 0;
    }
    const struct outbox_state *state = casebus_outbox_state(outbox);
    static const struct broker_state nobody = {.known = false};
    (void)feed(outbox, state->split.last > 0); /* one whose state was lost is renumbered */
    read_each(outbox);
    HOLDS(casebus_outbox_renumber(outbox, fresh_id, &nobody) == 0);
    HOLDS(feed(outbox, true) == state->last - state->settled.through);
    settle_all(outbox);
    casebus_outbox_close(&outbox);
    outbox = open_outbox();
    HOLDS(outbox && feed(outbox, true) == 0);
    casebus_outbox_close(&outbox);
    return 0;
}
