/* A scraper worker that keeps a ledger (ledger.py): what it means to send is written before it
 * is sent, what it was promised when it was. Killed at any moment and started again with the
 * same arguments it goes on: first with what its outbox holds, then with the row after the last
 * it meant.
 *
 *   worker --ledger FILE --name NAME --ingest E --query E [--outbox DIR] [--group N]
 *          [--count ROWS] [--rate PER_SECOND] [--cases N] [--agencies N] [--seed S] [--hold MS]
 *
 * After ROWS rows, over all its runs, or SIGTERM it waits until everything taken is confirmed,
 * and leaves with 0; or with 75 where that took longer than MS. A case is scraped many times,
 * with values that change now and then: a report makes created, updated or only synced. Its
 * `source` names the row. Row 0 starts a session, NAME-session, to which all others belong.
 * With more agencies than one, cases are of x0, x1 and so on instead of hse, and of no session.
 *
 * Numbers and rows both go up by one, so within a run they keep their distance: that is how a
 * run knows which rows the outbox took before the one before it died. */
#include "book.h"

#include <casebus/publisher.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    const char *ledger, *name, *ingest, *query, *outbox;
    uint64_t count, rate, cases, agencies, seed, hold_ms;
    unsigned group;
    char session[64];
    struct book book;
    struct casebus_publisher *publisher;
    const struct casebus_publisher_stats *stats;
    msgpack_sbuffer data;
    uint64_t row;       /* the next one */
    uint64_t taken;     /* the highest number written as taken */
    uint64_t distance;  /* row - number, of the rows that are not written as taken */
    uint64_t confirmed; /* as written */
};

/* What a row reports; the same for the same seed. */
struct row {
    char agency[16], key[64], offender[96], breaches[512];
    unsigned fine, turn;
};

static uint64_t mixed(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void fill_row(const struct worker *self, uint64_t number, struct row *row)
{
    static const char words[] = "Failed to ensure that guards were in place on the conveyor, "
                                "contrary to section 2 of the Act. ";
    uint64_t chance = mixed(self->seed, number);
    unsigned which = (unsigned)(chance % self->cases);
    snprintf(row->agency, sizeof row->agency, self->agencies > 1 ? "x%u" : "hse",
             (unsigned)(which % self->agencies));
    snprintf(row->key, sizeof row->key, "%s-c%06u", self->name, which);
    snprintf(row->offender, sizeof row->offender, "Offender %s %u Ltd", self->name, which / 3);
    row->fine = (unsigned)(chance >> 20) % 4 * 12500;
    row->turn = (unsigned)(chance >> 40) % 3;
    size_t size = 40 + which * 37 % (sizeof row->breaches - 41);
    for (size_t i = 0; i < size; i++) {
        row->breaches[i] = words[i % (sizeof words - 1)];
    }
    row->breaches[size] = '\0';
}

static void pack_pair(msgpack_packer *pk, const char *key, const char *value)
{
    casebus_pack_text(pk, key);
    casebus_pack_text(pk, value);
}

static void pack_row(struct worker *self, uint64_t number, const struct row *row)
{
    msgpack_packer pk;
    msgpack_sbuffer_clear(&self->data);
    msgpack_packer_init(&pk, &self->data, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 6);
    casebus_pack_text(&pk, "offender");
    msgpack_pack_map(&pk, 1);
    pack_pair(&pk, "name", row->offender);
    pack_pair(&pk, "offence_action_date", "2024-01-02");
    pack_pair(&pk, "offence_breaches", row->breaches);
    casebus_pack_text(&pk, "offence_fine_pence");
    msgpack_pack_unsigned_int(&pk, row->fine);
    casebus_pack_text(&pk, "ext");
    msgpack_pack_map(&pk, 1);
    casebus_pack_text(&pk, "turn");
    msgpack_pack_unsigned_int(&pk, row->turn);
    casebus_pack_text(&pk, "source");
    msgpack_pack_map(&pk, 2);
    pack_pair(&pk, "parser", self->name);
    casebus_pack_text(&pk, "row");
    msgpack_pack_uint64(&pk, number);
}

/* --- the ledger --------------------------------------------------------------------------- */

static void write_session_intent(struct worker *self)
{
    book_add(&self->book,
             "{\"intend\": 0, \"topic\": \"session:started:hse:%s:\", \"data\": {\"worker\": "
             "\"%s\"}}\n",
             self->session, self->name);
    book_flush(&self->book);
}

static void write_intent(struct worker *self, uint64_t number, const struct row *row)
{
    book_add(
        &self->book,
        "{\"intend\": %llu, \"topic\": \"case:scraped:%s:%s:\", \"data\": {\"offender\": "
        "{\"name\": \"%s\"}, \"offence_action_date\": \"2024-01-02\", \"offence_breaches\": "
        "\"%s\", \"offence_fine_pence\": %u, \"ext\": {\"turn\": %u}, \"source\": {\"parser\": "
        "\"%s\", \"row\": %llu}}}\n",
        (unsigned long long)number, row->agency, row->key, row->offender, row->breaches,
        row->fine, row->turn, self->name, (unsigned long long)number);
    book_flush(&self->book);
}

static void add_publisher(struct worker *self)
{
    book_add(&self->book, ", \"publisher\": \"");
    book_add_hex(&self->book, casebus_publisher_id(self->publisher), CASEBUS_PUBLISHER_SIZE);
    book_add(&self->book, "\"");
}

/* What is on the disk of the outbox, or in the memory of the handle, by now. */
static void add_taken(struct worker *self)
{
    uint64_t stored = self->outbox ? self->stats->stored : self->stats->sent;
    for (; self->taken < stored; self->taken++) {
        book_add(&self->book, "{\"taken\": %llu, \"number\": %llu}\n",
                 (unsigned long long)(self->taken + 1 + self->distance),
                 (unsigned long long)self->taken + 1);
    }
}

static void write_progress(struct worker *self)
{
    add_taken(self);
    if (self->stats->confirmed != self->confirmed) {
        self->confirmed = self->stats->confirmed;
        book_add(&self->book, "{\"confirmed\": %llu}\n", (unsigned long long)self->confirmed);
    }
    book_flush(&self->book);
}

static void refused(void *arg, const struct casebus_refusal *refusal)
{
    struct worker *self = arg;
    write_progress(self);
    book_add(&self->book, "{\"refused\": %llu, \"outcome\": \"%s\", \"code\": \"%s\"}\n",
             (unsigned long long)refusal->number, casebus_outcome_word(refusal->outcome),
             refusal->code ? casebus_error_word(refusal->code) : "");
    book_flush(&self->book);
}

static void diverged(void *arg, const struct casebus_divergence *divergence)
{
    struct worker *self = arg;
    write_progress(self);
    book_add(&self->book, "{\"diverged\": %llu, \"last\": %llu",
             (unsigned long long)divergence->first, (unsigned long long)divergence->last);
    add_publisher(self);
    book_add(&self->book, "}\n");
    book_flush(&self->book);
}

/* Where an earlier run of this worker was when it ended. */
static void read_ledger(struct worker *self)
{
    FILE *file = fopen(self->ledger, "r");
    char *line = NULL;
    size_t room = 0;
    unsigned long long row, number;
    if (!file) {
        return;
    }
    while (getline(&line, &room, file) > 0) {
        if (!strstr(line, "}\n")) {
            continue; /* half a line: a kill */
        }
        if (sscanf(line, "{\"run\": 1, \"row\": %llu, \"sent\": %llu", &row, &number) == 2) {
            self->taken = number;
            self->distance = row - number - 1;
        } else if (sscanf(line, "{\"taken\": %llu, \"number\": %llu", &row, &number) == 2) {
            self->taken = number;
        } else if (sscanf(line, "{\"intend\": %llu", &row) == 1) {
            self->row = row + 1;
        }
    }
    free(line);
    fclose(file);
}

/* --- the work ----------------------------------------------------------------------------- */

static void open_publisher(struct worker *self)
{
    struct casebus_publisher_options options = casebus_publisher_options();
    options.ingest = self->ingest;
    options.query = self->query;
    options.outbox = self->outbox;
    options.outbox_group = self->group;
    options.refused = refused;
    options.refused_arg = self;
    options.diverged = diverged;
    options.diverged_arg = self;
    int rc = casebus_publisher_new(&self->publisher, options);
    if (rc != 0) {
        give_up("publisher", casebus_strerror(rc));
    }
    self->stats = casebus_publisher_stats(self->publisher);
}

/* What was taken before this run and is not written; and who this is. */
static void begin_run(struct worker *self)
{
    if (self->stats->sent < self->taken) {
        self->taken = self->stats->sent; /* no outbox, or one that was put back */
    }
    add_taken(self);
    self->distance = self->row - self->stats->sent - 1;
    book_add(&self->book,
             "{\"run\": 1, \"row\": %llu, \"sent\": %llu, \"worker\": \"%s\", "
             "\"outbox\": %s",
             (unsigned long long)self->row, (unsigned long long)self->stats->sent, self->name,
             self->outbox ? "true" : "false");
    add_publisher(self);
    book_add(&self->book, "}\n");
    book_flush(&self->book);
}

static int64_t send_session(struct worker *self)
{
    const struct casebus_session_start start = {.worker = self->name};
    return casebus_publisher_session_start(self->publisher, "hse", self->session, &start, 200);
}

static int64_t send_case(struct worker *self, const struct row *row)
{
    const char *session = self->agencies > 1 ? NULL : self->session;
    return casebus_publisher_send(self->publisher, CASEBUS_REPORT_SCRAPED,
                                  casebus_cstr(row->agency), casebus_cstr(row->key),
                                  casebus_cstr(session),
                                  casebus_bytes(self->data.data, self->data.size), 200);
}

/* Until there is room; nothing but a failure ends it. */
static void send_row(struct worker *self)
{
    struct row row = {.key = ""};
    if (self->row == 0) {
        write_session_intent(self);
    } else {
        fill_row(self, self->row, &row);
        pack_row(self, self->row, &row);
        write_intent(self, self->row, &row);
    }
    int64_t number;
    do {
        number = self->row == 0 ? send_session(self) : send_case(self, &row);
        write_progress(self);
    } while (number == CASEBUS_ETIMEDOUT || number == CASEBUS_EINTR);
    if (number < 0) {
        give_up("send", casebus_strerror((int)number));
    }
    self->row++;
}

static void pump(struct worker *self, int timeout_ms)
{
    int rc = casebus_publisher_pump(self->publisher, timeout_ms);
    if (rc < 0 && rc != CASEBUS_EINTR) {
        give_up("pump", casebus_strerror(rc));
    }
    write_progress(self);
}

static void send_all(struct worker *self)
{
    uint64_t began = now_us(), sent = 0;
    while (self->row < self->count && !stopping) {
        uint64_t due = self->rate ? began + sent * 1000000u / self->rate : 0;
        uint64_t now = now_us();
        if (now < due) {
            pump(self, (int)((due - now) / 1000u));
            continue;
        }
        send_row(self);
        sent++;
    }
}

static int settle(struct worker *self)
{
    uint64_t end = now_us() + self->hold_ms * 1000u;
    while (self->stats->confirmed < self->stats->sent) {
        if (now_us() > end) {
            return 75;
        }
        pump(self, 100);
    }
    return 0;
}

static void read_options(struct worker *self, int argc, char **argv)
{
    static const struct option options[] = {{"ledger", required_argument, NULL, 'l'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"ingest", required_argument, NULL, 'i'},
                                            {"query", required_argument, NULL, 'q'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"cases", required_argument, NULL, 'k'},
                                            {"agencies", required_argument, NULL, 'a'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"outbox", required_argument, NULL, 'o'},
                                            {"group", required_argument, NULL, 'g'},
                                            {"hold", required_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    *self = (struct worker){.count = UINT64_MAX,
                            .cases = 100,
                            .agencies = 1,
                            .hold_ms = 100000,
                            .group = 1,
                            .distance = UINT64_MAX};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'l':
            self->ledger = optarg;
            break;
        case 'n':
            self->name = optarg;
            break;
        case 'i':
            self->ingest = optarg;
            break;
        case 'q':
            self->query = optarg;
            break;
        case 'c':
            self->count = number_of(optarg);
            break;
        case 'r':
            self->rate = number_of(optarg);
            break;
        case 'k':
            self->cases = number_of(optarg);
            break;
        case 'a':
            self->agencies = number_of(optarg);
            break;
        case 's':
            self->seed = number_of(optarg);
            break;
        case 'o':
            self->outbox = optarg;
            break;
        case 'g':
            self->group = (unsigned)number_of(optarg);
            break;
        case 'h':
            self->hold_ms = number_of(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (!self->ledger || !self->name || !self->ingest || !self->query || self->cases == 0 ||
        self->agencies == 0) {
        give_up("worker", "--ledger, --name, --ingest and --query are needed");
    }
    snprintf(self->session, sizeof self->session, "%s-session", self->name);
}

int main(int argc, char **argv)
{
    struct worker self;
    read_options(&self, argc, argv);
    catch_stop();
    msgpack_sbuffer_init(&self.data);
    read_ledger(&self);
    book_open(&self.book, self.ledger);
    open_publisher(&self);
    begin_run(&self);
    send_all(&self);
    int code = settle(&self);
    casebus_publisher_destroy(&self.publisher);
    msgpack_sbuffer_destroy(&self.data);
    book_close(&self.book);
    return code;
}
