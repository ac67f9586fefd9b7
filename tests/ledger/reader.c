/* A subscriber that keeps a ledger (ledger.py): each event it was handed is a line, flushed
 * before its cursor moves.
 *
 *   reader --ledger FILE --name NAME --fanout E --query E [--from-start] [--cursor FILE]
 *          PATTERN...
 *
 * --from-start counts only while there is no cursor; with neither it begins with what happens
 * now. It reads until SIGTERM. */
#include "book.h"

#include <casebus/subscriber.h>

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGEST_SIZE 16
#define FLUSH_EVENTS 64
#define FLUSH_US 20000

struct reader {
    const char *ledger, *name, *fanout, *query, *cursor;
    bool from_start;
    char **patterns;
    int pattern_count;
    struct book book;
    struct casebus_subscriber *subscriber;
    msgpack_sbuffer body;
    bool joined;              /* its line is written */
    struct casebus_cursor at; /* as written and saved */
    unsigned unflushed;       /* events */
    uint64_t flushed_us;
};

static uint64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void add_epoch(struct reader *self, const unsigned char *epoch)
{
    book_add(&self->book, ", \"epoch\": \"");
    book_add_hex(&self->book, epoch, CASEBUS_EPOCH_SIZE);
    book_add(&self->book, "\"");
}

static void add_run(struct reader *self)
{
    book_add(&self->book, "{\"run\": 1, \"reader\": \"%s\", \"patterns\": [", self->name);
    for (int i = 0; i < self->pattern_count; i++) {
        book_add(&self->book, "%s\"%s\"", i ? ", " : "", self->patterns[i]);
    }
    book_add(&self->book, "]}\n");
}

static void note_joined(struct reader *self)
{
    const unsigned char *epoch = casebus_subscriber_epoch(self->subscriber);
    if (self->joined || !epoch) {
        return;
    }
    self->joined = true;
    book_add(&self->book, "{\"joined\": %llu",
             (unsigned long long)casebus_subscriber_seq(self->subscriber));
    add_epoch(self, epoch);
    book_add(&self->book, "}\n");
    book_flush(&self->book);
}

static void add_event(struct reader *self, const struct casebus_event *event)
{
    unsigned char digest[DIGEST_SIZE];
    crypto_generichash_state state;
    msgpack_sbuffer_clear(&self->body);
    if (casebus_event_encode(event, &self->body) != 0) {
        give_up("event", "cannot be encoded again");
    }
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    crypto_generichash_update(&state, event->topic_text.data, event->topic_text.size);
    crypto_generichash_update(&state, (const unsigned char *)self->body.data, self->body.size);
    crypto_generichash_final(&state, digest, sizeof digest);
    book_add(
        &self->book,
        "{\"seq\": %llu, \"prev\": %llu, \"topic\": \"%.*s\", \"late\": %lld, \"digest\": \"",
        (unsigned long long)event->seq, (unsigned long long)event->prev,
        (int)event->topic_text.size, (const char *)event->topic_text.data,
        (long long)wall_us() - (long long)event->at);
    book_add_hex(&self->book, digest, sizeof digest);
    book_add(&self->book, "\"");
    add_epoch(self, event->epoch);
    book_add(&self->book, "}\n");
    self->unflushed++;
}

/* --- the cursor --------------------------------------------------------------------------- */

/* The place of the file is taken in one step: a kill leaves the old one or the new one. */
static void save_cursor(const struct reader *self)
{
    char next[4096];
    snprintf(next, sizeof next, "%s.next", self->cursor);
    FILE *file = fopen(next, "wb");
    if (!file || fwrite(&self->at, sizeof self->at, 1, file) != 1 || fclose(file) != 0 ||
        rename(next, self->cursor) != 0) {
        give_up(self->cursor, strerror(errno));
    }
}

static bool load_cursor(const struct reader *self, struct casebus_cursor *cursor)
{
    FILE *file = self->cursor ? fopen(self->cursor, "rb") : NULL;
    if (!file) {
        return false;
    }
    if (fread(cursor, sizeof *cursor, 1, file) != 1) {
        give_up(self->cursor, "not a cursor");
    }
    fclose(file);
    return true;
}

/* First the lines, then the cursor that covers them. */
static void flush(struct reader *self)
{
    struct casebus_cursor at = {.seq = 0};
    bool moved = casebus_subscriber_cursor(self->subscriber, &at) == 0 &&
                 (at.seq != self->at.seq || memcmp(at.epoch, self->at.epoch, sizeof at.epoch));
    if (moved) {
        book_add(&self->book, "{\"at\": %llu}\n", (unsigned long long)at.seq);
        self->at = at;
    }
    book_flush(&self->book);
    if (moved && self->cursor) {
        save_cursor(self);
    }
    self->unflushed = 0;
    self->flushed_us = now_us();
}

static void note_gap(struct reader *self)
{
    const struct casebus_gap *gap = casebus_subscriber_gap(self->subscriber);
    book_add(&self->book, "{\"gone\": %llu, \"after\": %llu, \"stream\": \"%.*s\"}\n",
             (unsigned long long)gap->through, (unsigned long long)gap->after,
             (int)gap->stream.size, (const char *)gap->stream.data);
}

static void read_events(struct reader *self)
{
    const struct casebus_event *event;
    while (!stopping) {
        int rc = casebus_subscriber_next(self->subscriber, &event, self->unflushed ? 5 : 50);
        note_joined(self);
        if (rc == 1) {
            add_event(self, event);
        } else if (rc == CASEBUS_EGAP) {
            note_gap(self);
        } else if (rc == CASEBUS_EEPOCH) {
            self->joined = false;
        } else if (rc < 0 && rc != CASEBUS_EINTR) {
            give_up("next", casebus_strerror(rc));
        }
        if (rc != 1 || self->unflushed >= FLUSH_EVENTS ||
            now_us() - self->flushed_us > FLUSH_US) {
            flush(self);
        }
    }
    flush(self);
}

static void add_stats(struct reader *self)
{
    struct casebus_subscriber_stats stats;
    casebus_subscriber_stats(self->subscriber, &stats);
    book_add(&self->book,
             "{\"stats\": {\"received\": %llu, \"repaired\": %llu, \"duplicates\": %llu, "
             "\"lost\": %llu}}\n",
             (unsigned long long)stats.received, (unsigned long long)stats.repaired,
             (unsigned long long)stats.duplicates, (unsigned long long)stats.lost);
}

static void open_subscriber(struct reader *self)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    struct casebus_cursor cursor;
    options.fanout = self->fanout;
    options.query = self->query;
    int rc = casebus_subscriber_new(&self->subscriber, options);
    for (int i = 0; i < self->pattern_count && rc == 0; i++) {
        rc = casebus_subscriber_subscribe(self->subscriber, self->patterns[i], NULL);
    }
    if (rc == 0) {
        rc = load_cursor(self, &cursor)
                 ? casebus_subscriber_start_cursor(self->subscriber, &cursor)
             : self->from_start ? casebus_subscriber_start_at(self->subscriber, 0)
                                : casebus_subscriber_start(self->subscriber);
    }
    if (rc != 0) {
        give_up("subscriber", casebus_strerror(rc));
    }
}

static void read_options(struct reader *self, int argc, char **argv)
{
    static const struct option options[] = {{"ledger", required_argument, NULL, 'l'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"fanout", required_argument, NULL, 'f'},
                                            {"query", required_argument, NULL, 'q'},
                                            {"from-start", no_argument, NULL, 's'},
                                            {"cursor", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    *self = (struct reader){.ledger = NULL};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'l':
            self->ledger = optarg;
            break;
        case 'n':
            self->name = optarg;
            break;
        case 'f':
            self->fanout = optarg;
            break;
        case 'q':
            self->query = optarg;
            break;
        case 's':
            self->from_start = true;
            break;
        case 'c':
            self->cursor = optarg;
            break;
        default:
            exit(2);
        }
    }
    self->patterns = argv + optind;
    self->pattern_count = argc - optind;
    if (!self->ledger || !self->name || !self->fanout || !self->query) {
        give_up("reader", "--ledger, --name, --fanout and --query are needed");
    }
}

int main(int argc, char **argv)
{
    struct reader self;
    if (sodium_init() < 0) {
        give_up("sodium", "cannot start");
    }
    read_options(&self, argc, argv);
    catch_stop();
    msgpack_sbuffer_init(&self.body);
    book_open(&self.book, self.ledger);
    add_run(&self);
    open_subscriber(&self);
    flush(&self);
    read_events(&self);
    add_stats(&self);
    casebus_subscriber_destroy(&self.subscriber);
    msgpack_sbuffer_destroy(&self.body);
    book_close(&self.book);
    return 0;
}
