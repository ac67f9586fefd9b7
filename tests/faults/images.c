/* The power fails: builds images of the data file as they may be on the disk at some moment
 * of a recorded run, opens each as the broker does, has it verified, and looks for everything
 * that had been told by then.
 *
 *   casebus-images TRACE PROMISES FOLDER SEED COUNT
 *
 * TRACE is what the failing disk recorded (disk.c). PROMISES has a line for each thing told,
 * in order: "AT PUBLISHER NUMBER" (hexadecimal id: confirmed up to NUMBER), or "AT - SEQ
 * HASH" (published; BLAKE2b-128 of topic and body, or "-"), AT being the trace's size at that
 * moment; "AT ! 0 -" asks for images of that moment in particular. Others are COUNT moments
 * drawn at random. Images are made in FOLDER.
 *
 * What may be on the disk: everything up to the last sync that returned; of what was written
 * since, any part, down to single sectors. A write through O_DSYNC is safe by itself once it
 * has returned. What came before a sync that failed may be lost for good: later syncs do not
 * bring it. */
#include "trace.h"
#include "verify.h"

#include <casebus/check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR 512u
#define FILE_MAX (256u << 20)
#define NEWEST 300 /* published events that are compared byte for byte, of each image */
#define CHILD_SECONDS 60

struct pending {
    const struct trace_record *r;
    uint32_t order; /* of all writes */
    bool doubtful;  /* a sync of it has failed */
};

struct promise {
    uint64_t at, number;
    bool is_event, has_hash, is_moment;
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE], hash[CASEBUS_HASH_SIZE];
};

struct moment { /* of the run, going forward */
    const unsigned char *trace;
    size_t trace_size, at;  /* `at`: end of the last record taken in */
    unsigned char *durable; /* FILE_MAX bytes */
    size_t durable_size;
    uint32_t *durable_order; /* of each sector: its newest durable write; older ones are past */
    uint32_t writes;
    struct pending *pending; /* in the order they were made */
    size_t count, capacity;
    bool named, just_named;
};

static _Noreturn void give_up(const char *what, const char *path)
{
    fprintf(stderr, "images: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

static uint64_t rng_state;

static uint64_t rng(uint64_t below)
{
    rng_state += 0x9e3779b97f4a7c15u;
    uint64_t z = rng_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* --- the run ------------------------------------------------------------------------------ */

static const struct trace_record *record_at(const struct moment *m, size_t at)
{
    const struct trace_record *r = (const void *)(m->trace + at);
    bool whole = at + sizeof *r <= m->trace_size && r->size <= m->trace_size - at - sizeof *r;
    return whole ? r : NULL;
}

/* The end of the sector in which byte `from` of a write lies. */
static size_t end_of_sector(const struct trace_record *r, size_t from)
{
    size_t to = from + SECTOR - (r->offset + from) % SECTOR;
    return to < r->size ? to : r->size;
}

enum choice {
    NOTHING,
    EVERYTHING,
    WHOLE_WRITES,
    SECTORS,
    CHOICES
};

/* A write, or some sectors of it, reaches an image; not where a newer one is safe already. */
static void put(const struct moment *m, unsigned char *image, size_t *size,
                const struct pending *p, enum choice choice)
{
    const struct trace_record *r = p->r;
    if (r->offset + r->size > FILE_MAX) {
        give_up("too large:", "the data file");
    }
    for (size_t from = 0, to; from < r->size; from = to) {
        to = end_of_sector(r, from);
        if (p->order < m->durable_order[(r->offset + from) / SECTOR] ||
            (choice == SECTORS && rng(2))) {
            continue;
        }
        memcpy(image + r->offset + from, (const unsigned char *)(r + 1) + from, to - from);
        *size = r->offset + to > *size ? r->offset + to : *size;
    }
}

static void make_durable(struct moment *m, const struct pending *p)
{
    put(m, m->durable, &m->durable_size, p, EVERYTHING);
    for (size_t from = 0; from < p->r->size; from = end_of_sector(p->r, from)) {
        uint32_t *order = &m->durable_order[(p->r->offset + from) / SECTOR];
        *order = p->order > *order ? p->order : *order;
    }
}

static void add_pending(struct moment *m, const struct trace_record *r)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 256;
        m->pending = realloc(m->pending, m->capacity * sizeof *m->pending);
        if (!m->pending) {
            give_up("no memory", "");
        }
    }
    m->pending[m->count++] = (struct pending){r, ++m->writes, false};
}

static void all_is_durable(struct moment *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->pending[i].doubtful) {
            m->pending[kept++] = m->pending[i];
        } else {
            make_durable(m, &m->pending[i]);
        }
    }
    m->count = kept;
}

static void all_is_doubtful(struct moment *m)
{
    for (size_t i = 0; i < m->count; i++) {
        m->pending[i].doubtful = true;
    }
}

static void go_to(struct moment *m, size_t at)
{
    const struct trace_record *r;
    while (m->at < at && (r = record_at(m, m->at)) != NULL) {
        m->just_named = r->what == TRACE_NAMED;
        switch ((char)r->what) {
        case TRACE_WRITE:
        case TRACE_WRITE_THROUGH:
            add_pending(m, r);
            break;
        case TRACE_THROUGH:
            make_durable(m, &m->pending[--m->count]);
            break;
        case TRACE_THROUGH_FAILED:
            m->pending[m->count - 1].doubtful = true;
            break;
        case TRACE_SYNC:
            all_is_durable(m);
            break;
        case TRACE_SYNC_FAILED:
            all_is_doubtful(m);
            break;
        case TRACE_NAMED:
            m->named = true;
            break;
        default:
            give_up("not a record:", "the trace");
        }
        m->at += sizeof *r + r->size;
    }
}

/* --- an image ----------------------------------------------------------------------------- */

/* What of the pending writes got to the disk is drawn; the rest of the image is certain. */
static size_t draw(const struct moment *m, enum choice choice, unsigned char *image)
{
    size_t size = m->durable_size;
    memcpy(image, m->durable, size);
    for (size_t i = 0; i < m->count; i++) {
        if (choice == EVERYTHING || choice == SECTORS || (choice == WHOLE_WRITES && rng(2))) {
            put(m, image, &size, &m->pending[i], choice);
        }
    }
    return size;
}

static void write_image(const char *folder, bool named, const unsigned char *image, size_t size)
{
    static const char *const names[] = {"data.mdb", "data.mdb.new", "lock.mdb", "broker.lock"};
    char path[4096];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/%s", folder, names[named ? 0 : 1]);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, image, size) != (ssize_t)size || close(fd) < 0) {
        give_up("cannot write", path);
    }
}

/* --- what must hold in it ----------------------------------------------------------------- */

static bool has_promised(struct txn *txn, const struct promise *p)
{
    if (p->is_moment) {
        return true;
    }
    if (!p->is_event) {
        struct key key = key_publisher(casebus_cstr("local"), p->publisher);
        struct publisher_entry entry;
        return txn_load(txn, TREE_PUBLISHER, &key, ENTRY_PUBLISHER, &entry) &&
               entry.decided >= p->number;
    }
    struct state state;
    struct log_entry log;
    unsigned char hash[CASEBUS_HASH_SIZE];
    if (txn_state(txn, &state) && p->number < state_oldest(&state)) {
        return true; /* trimmed since */
    }
    if (!txn_log(txn, p->number, &log)) {
        return false;
    }
    casebus_report_hash(log.topic, log.body, 0, hash);
    return !p->has_hash || memcmp(hash, p->hash, sizeof hash) == 0;
}

static bool keeps_promises(struct store *store, const struct promise *promises, size_t count)
{
    struct txn *txn;
    if (txn_new_read(store, &txn) != 0 || txn_begin(txn) != 0) {
        return false;
    }
    bool kept = true;
    for (size_t i = count > NEWEST ? count - NEWEST : 0; kept && i < count; i++) {
        kept = has_promised(txn, &promises[i]);
        if (!kept) {
            printf("told at %llu and not stored: %s %llu\n", (unsigned long long)promises[i].at,
                   promises[i].is_event ? "event" : "report",
                   (unsigned long long)promises[i].number);
        }
    }
    txn_destroy(&txn);
    return kept;
}

/* In a process of its own: an image may end it. */
static int check(const char *folder, const struct promise *promises, size_t count)
{
    struct store *store;
    struct store_options options = {.dir = folder, .map_bytes = FILE_MAX};
    struct verify_report report = {.finding_count = 0};
    char why[4500] = "";
    alarm(CHILD_SECONDS);
    if (store_open(&store, &options, why, sizeof why) != 0) {
        printf("%s\n", why);
        return 1;
    }
    int rc = verify_store(store, &report);
    for (unsigned i = 0; i < report.finding_count && i < FINDINGS_MAX; i++) {
        printf("%s\n", report.findings[i]);
    }
    bool good = rc == 0 && report.finding_count == 0 && keeps_promises(store, promises, count);
    verify_report_clear(&report);
    store_close(&store);
    return good ? 0 : 1;
}

static bool passes(const char *folder, const struct promise *promises, size_t count)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int code = check(folder, promises, count);
        fflush(stdout);
        _exit(code);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        give_up("cannot fork", "");
    }
    if (WIFSIGNALED(status)) {
        printf("opening it ended with signal %d\n", WTERMSIG(status));
    }
    return status == 0;
}

/* --- the whole ---------------------------------------------------------------------------- */

static size_t read_promises(const char *path, struct promise **promises)
{
    FILE *file = fopen(path, "r");
    size_t count = 0, capacity = 0;
    unsigned long long at, number;
    char who[64], hash[64];
    if (!file) {
        give_up("cannot read", path);
    }
    while (fscanf(file, "%llu %63s %llu %63s", &at, who, &number, hash) == 4) {
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            *promises = realloc(*promises, capacity * sizeof **promises);
            if (!*promises) {
                give_up("no memory", "");
            }
        }
        struct promise *p = &(*promises)[count++];
        *p = (struct promise){at,  number, who[0] == '-', hash[0] != '-', who[0] == '!',
                              {0}, {0}};
        for (size_t i = 0; i < 16; i++) {
            unsigned byte = 0;
            if (sscanf(p->is_event ? hash + 2 * i : who + 2 * i, "%2x", &byte) == 1) {
                *(p->is_event ? &p->hash[i] : &p->publisher[i]) = (unsigned char)byte;
            }
        }
    }
    fclose(file);
    return count;
}

static int by_value(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Ends of records, in order: `count` of them drawn, and those asked for, each as often as
 * there are choices. */
static size_t *draw_moments(const struct moment *m, const struct promise *promises,
                            size_t promise_count, size_t *count, size_t *records)
{
    size_t *drawn = calloc(*count + promise_count * CHOICES, sizeof *drawn);
    size_t *ends = NULL, capacity = 0, at = 0;
    const struct trace_record *r;
    *records = 0;
    while ((r = record_at(m, at)) != NULL) {
        if (*records == capacity) {
            capacity = capacity ? capacity * 2 : 4096;
            ends = realloc(ends, capacity * sizeof *ends);
        }
        if (!ends || !drawn) {
            give_up("no memory", "");
        }
        at += sizeof *r + r->size;
        ends[(*records)++] = at;
    }
    for (size_t i = 0; i<*count && * records> 0; i++) {
        drawn[i] = ends[rng(*records)];
    }
    for (size_t i = 0; i < promise_count * CHOICES; i++) {
        if (promises[i / CHOICES].is_moment) {
            drawn[(*count)++] = promises[i / CHOICES].at;
        }
    }
    qsort(drawn, *count, sizeof *drawn, by_value);
    free(ends);
    return drawn;
}

static void map_trace(struct moment *m, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
        give_up("cannot read", path);
    }
    m->trace_size = (size_t)st.st_size;
    m->trace = mmap(NULL, m->trace_size, PROT_READ, MAP_PRIVATE, fd, 0);
    m->durable = calloc(1, FILE_MAX);
    m->durable_order = calloc(FILE_MAX / SECTOR, sizeof *m->durable_order);
    if (m->trace == MAP_FAILED || !m->durable || !m->durable_order) {
        give_up("cannot map", path);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    struct moment m = {.at = 0};
    struct promise *promises = NULL;
    size_t records, failed = 0, told = 0;
    if (argc != 6) {
        fprintf(stderr, "usage: casebus-images TRACE PROMISES FOLDER SEED COUNT\n");
        return 2;
    }
    size_t promise_count = read_promises(argv[2], &promises);
    size_t count = strtoul(argv[5], NULL, 10);
    unsigned char *image = calloc(1, FILE_MAX);
    rng_state = strtoul(argv[4], NULL, 10);
    map_trace(&m, argv[1]);
    size_t *moments = draw_moments(&m, promises, promise_count, &count, &records);
    for (size_t i = 0; i < count && image; i++) {
        enum choice choice = (enum choice)(i % CHOICES); /* of one asked for: each */
        go_to(&m, moments[i]);
        while (told < promise_count && promises[told].at <= m.at) {
            told++;
        }
        bool named = m.named && !(m.just_named && rng(2));
        write_image(argv[3], named, image, draw(&m, choice, image));
        if (!passes(argv[3], promises, told)) {
            printf("image %zu, at %zu of %zu, %zu writes pending, choice %d\n", i, m.at,
                   m.trace_size, m.count, choice);
            failed++;
        }
    }
    printf("%zu images of %zu writes and syncs, %zu promises: %zu failed\n", count, records,
           promise_count, failed);
    free(image);
    free(moments);
    free(promises);
    free(m.pending);
    free(m.durable);
    free(m.durable_order);
    return failed ? 1 : 0;
}
