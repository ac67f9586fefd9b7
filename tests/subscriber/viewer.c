/* Views for scripts: opened and turned by lines on standard input, told of on standard output.
 *
 *   open NAME KIND POLICY WINDOW LIMIT [ARGUMENT…] [watch=PATTERN…]
 *   pause | resume | refresh | first | next | previous | close | clear NAME
 *   settle SEQ EPOCH QUIET   goes on until every view that is not paused shows what there is
 *            up to SEQ of that history, and to the entry QUIET of what makes no event, and
 *            prints them all: "view NAME JSON", "row NAME KEY JSON" and "gone NAME KEY JSON",
 *            then "settled"
 *   run MS   goes on for so long, printing "asked MICROSECONDS" for each request that leaves
 *   stats    "stats JSON"
 *
 * It keeps a list of its own of what differences say, and compares it with the view's rows. */
#include <casebus/session_list.h>

#include "json.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define VIEWS_MAX 512
#define WORDS_MAX 16
#define PATIENCE_MS 20000

/* An assertion that stays in a release. */
#define must(truth)                                                                            \
    do {                                                                                       \
        if (!(truth)) {                                                                        \
            fprintf(stderr, "viewer.c:%d: %s\n", __LINE__, #truth);                            \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

struct shown { /* a view, or a list */
    char name[32];
    struct casebus_view *view;
    struct casebus_session_list *list;
    char *keys[CASEBUS_PAGE_MAX]; /* as its differences say */
    size_t count;
    unsigned fetches;
    bool shows_quiet; /* and what makes no event */
};

static struct casebus_views *hub;
static struct shown *all[VIEWS_MAX];
static size_t views;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- what differences say ----------------------------------------------------------------- */

static void take_all(struct shown *self, const struct casebus_diff *diff)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->keys[i]);
    }
    self->count = diff->now_count;
    for (size_t i = 0; i < diff->now_count; i++) {
        self->keys[i] = strdup(diff->now[i].key);
    }
}

/* Removes what is told of from its old places, then puts it into its new ones, rising. */
static void take_changes(struct shown *self, const struct casebus_diff *diff)
{
    char *placed[CASEBUS_PAGE_MAX] = {NULL}, *stays[CASEBUS_PAGE_MAX];
    size_t staying = 0, at = 0;
    for (size_t i = 0; i < diff->change_count; i++) {
        const struct casebus_change *change = &diff->changes[i];
        if (change->from != SIZE_MAX) {
            must(strcmp(self->keys[change->from], change->old->key) == 0);
            free(self->keys[change->from]);
            self->keys[change->from] = NULL;
        }
        if (change->to != SIZE_MAX) {
            placed[change->to] = strdup(change->now->key);
        }
    }
    for (size_t i = 0; i < self->count; i++) {
        if (self->keys[i] != NULL) {
            stays[staying++] = self->keys[i];
        }
    }
    for (size_t i = 0; i < diff->now_count; i++) {
        self->keys[i] = placed[i] != NULL ? placed[i] : stays[at++];
    }
    must(at == staying);
    self->count = diff->now_count;
}

static void told(void *arg, struct casebus_view *view, const struct casebus_diff *diff)
{
    struct shown *self = arg;
    size_t count;
    const struct casebus_row *rows = casebus_view_rows(view, &count);
    must(rows == diff->now && count == diff->now_count && diff->old_count == self->count);
    must(diff->reset || diff->change_count > 0);
    if (diff->reset) {
        take_all(self, diff);
    } else {
        take_changes(self, diff);
    }
    for (size_t i = 0; i < count; i++) {
        must(strcmp(self->keys[i], rows[i].key) == 0);
    }
    self->fetches++;
}

/* --- opened ------------------------------------------------------------------------------- */

static enum casebus_view_policy policy_of(const char *word)
{
    return strcmp(word, "keep") == 0   ? CASEBUS_VIEW_KEEP
           : strcmp(word, "lose") == 0 ? CASEBUS_VIEW_LOSE
                                       : CASEBUS_VIEW_MERGE;
}

static struct casebus_query query_of(char **word, size_t words, unsigned limit)
{
    const char *kind = word[2], *first = words > 6 ? word[6] : NULL;
    const char *second = words > 7 ? word[7] : NULL;
    if (strcmp(kind, "cases") == 0) {
        return casebus_query_cases(first, NULL, NULL, limit);
    }
    if (strcmp(kind, "case") == 0) {
        return casebus_query_case(first);
    }
    if (strcmp(kind, "session") == 0) {
        return casebus_query_session(first, second);
    }
    if (strcmp(kind, "sessions") == 0) {
        return casebus_query_sessions(NULL, first, limit);
    }
    if (strcmp(kind, "met") == 0) {
        return casebus_query_session_cases(first, second, limit);
    }
    if (strcmp(kind, "since") == 0) {
        return casebus_query_cases_since(strtoull(first, NULL, 10), limit);
    }
    if (strcmp(kind, "quarantine") == 0) {
        return casebus_query_quarantine(NULL, limit);
    }
    return casebus_query_recent(limit);
}

static int open_list(struct shown *self, char **word, unsigned window, unsigned limit)
{
    struct casebus_session_list_options options = casebus_session_list_options();
    options.refetch_window_ms = window;
    options.rows = limit;
    options.clear_at_end = false;
    return casebus_session_list_open(&self->list, hub, word[6], word[7], options);
}

static bool shows_quiet(const char *kind)
{
    static const char *const kinds[] = {"list", "met", "session", "sessions", "since"};
    size_t at = 0;
    while (at < sizeof kinds / sizeof *kinds && strcmp(kinds[at], kind) != 0) {
        at++;
    }
    return at < sizeof kinds / sizeof *kinds;
}

static void open_one(char **word, size_t words)
{
    const char *patterns[WORDS_MAX], *why = NULL;
    struct casebus_view_options options = casebus_view_options();
    struct shown *self = calloc(1, sizeof *self);
    const unsigned limit = (unsigned)atoi(word[5]);
    must(self != NULL && views < VIEWS_MAX && words > 5);
    snprintf(self->name, sizeof self->name, "%s", word[1]);
    options.refetch_window_ms = (unsigned)atoi(word[4]);
    options.policy = policy_of(word[3]);
    options.after_fetch = told;
    options.arg = self;
    while (strncmp(word[words - 1], "watch=", 6) == 0) {
        patterns[options.pattern_count++] = word[--words] + 6;
        options.patterns = patterns;
    }
    self->shows_quiet = options.patterns == NULL && shows_quiet(word[2]);
    const int rc =
        strcmp(word[2], "list") == 0
            ? open_list(self, word, options.refetch_window_ms, limit)
            : casebus_view_open(&self->view, hub, query_of(word, words, limit), options, &why);
    if (rc != 0) {
        printf("refused %s %s\n", casebus_error_word(rc), why != NULL ? why : "");
        free(self);
        return;
    }
    printf("opened\n");
    all[views++] = self;
}

static void close_at(size_t at)
{
    struct shown *self = all[at];
    casebus_view_close(&self->view);
    casebus_session_list_close(&self->list);
    for (size_t i = 0; i < self->count; i++) {
        free(self->keys[i]);
    }
    free(self);
    all[at] = all[--views];
}

static void act(const char *verb, const char *name)
{
    size_t at = 0;
    while (at < views && strcmp(all[at]->name, name) != 0) {
        at++;
    }
    must(at < views);
    struct casebus_view *view = all[at]->view;
    int rc = 0;
    if (strcmp(verb, "close") == 0) {
        close_at(at);
    } else if (strcmp(verb, "clear") == 0) {
        casebus_session_list_clear(all[at]->list);
    } else if (strcmp(verb, "pause") == 0) {
        casebus_view_pause(view);
    } else if (strcmp(verb, "resume") == 0) {
        casebus_view_resume(view);
    } else if (strcmp(verb, "refresh") == 0) {
        casebus_view_refresh(view);
    } else {
        rc = casebus_view_turn(view, strcmp(verb, "first") == 0  ? CASEBUS_PAGE_FIRST
                                     : strcmp(verb, "next") == 0 ? CASEBUS_PAGE_NEXT
                                                                 : CASEBUS_PAGE_PREVIOUS);
    }
    printf("%s\n", rc == 0 ? "done" : casebus_error_word(rc));
}

/* --- the loop ----------------------------------------------------------------------------- */

/* Until something comes, or `left` ms are over. */
static void go_round(int64_t left)
{
    zmq_pollitem_t items[2];
    const int timeout = casebus_views_timeout(hub);
    for (int i = 0; i < 2; i++) {
        items[i] =
            (zmq_pollitem_t){.socket = casebus_views_socket(hub, i), .events = ZMQ_POLLIN};
    }
    left = left < timeout ? left : timeout;
    must(zmq_poll(items, 2, left < 0 ? 0 : (long)left) >= 0);
    const int rc = casebus_views_step(hub);
    if (rc != 0) {
        fprintf(stderr, "step: %s\n", casebus_strerror(rc));
        abort();
    }
}

static struct casebus_view_status status_of(const struct shown *self)
{
    struct casebus_view_status status;
    if (self->list != NULL) {
        casebus_session_list_status(self->list, &status);
    } else {
        casebus_view_status(self->view, &status);
    }
    return status;
}

static bool is_settled(const struct shown *self, uint64_t seq, uint64_t quiet)
{
    const struct casebus_view_status status = status_of(self);
    if (status.paused) {
        return true;
    }
    if (self->list != NULL && casebus_session_list_session(self->list).data == NULL &&
        status.error == 0) {
        return false;
    }
    return status.state == CASEBUS_VIEW_LIVE && status.through >= seq &&
           (!self->shows_quiet || status.entry >= quiet);
}

static void print_json(const char *before, const char *name, const char *key,
                       struct casebus_bytes map)
{
    struct text text = {0};
    struct json json = json_begin(&text, false);
    json_value(&json, map);
    printf("%s %s %s\t%.*s\n", before, name, key, (int)text.size, text.data);
    text_free(&text);
}

static void print_shown(struct shown *self)
{
    const struct casebus_view_status status = status_of(self);
    size_t count;
    printf("view %s {\"state\": \"%s\", \"seq\": %llu, \"through\": %llu, \"newer\": %llu, "
           "\"cut\": %d, \"next\": %d, \"previous\": %d, \"paused\": %d, \"error\": %d, "
           "\"fetches\": %u}\n",
           self->name, casebus_view_state_word(status.state), (unsigned long long)status.seq,
           (unsigned long long)status.through, (unsigned long long)status.newer, status.cut,
           status.has_next, status.has_previous, status.paused, status.error, self->fetches);
    if (self->list != NULL) {
        const struct casebus_met *met = casebus_session_list_rows(self->list, &count);
        for (size_t i = 0; i < count; i++) {
            print_json("row", self->name, met[i].case_id, met[i].row);
        }
        return;
    }
    const struct casebus_row *rows = casebus_view_rows(self->view, &count);
    for (size_t i = 0; i < count; i++) {
        print_json(rows[i].gone ? "gone" : "row", self->name, rows[i].key, rows[i].data);
    }
}

static bool is_history(const char *hex)
{
    const unsigned char *epoch = casebus_views_epoch(hub);
    char text[2 * CASEBUS_EPOCH_SIZE + 1] = "";
    for (size_t i = 0; epoch != NULL && i < CASEBUS_EPOCH_SIZE; i++) {
        snprintf(text + 2 * i, 3, "%02x", epoch[i]);
    }
    return strcmp(text, hex) == 0;
}

static void settle(uint64_t seq, const char *epoch, uint64_t quiet)
{
    const int64_t end = now_us() + PATIENCE_MS * 1000;
    for (;;) {
        size_t settled = 0;
        go_round(0); /* what was done before this line takes effect */
        while (settled < views && is_settled(all[settled], seq, quiet)) {
            settled++;
        }
        if (settled == views && is_history(epoch)) {
            break;
        }
        if (now_us() > end) {
            printf("unsettled %s which should be through #%llu\n",
                   settled < views ? all[settled]->name : "-", (unsigned long long)seq);
            break;
        }
        go_round(100);
    }
    for (size_t i = 0; i < views; i++) {
        print_shown(all[i]);
    }
    printf("settled\n");
}

static void run(int64_t ms)
{
    const int64_t end = now_us() + ms * 1000;
    struct casebus_views_stats stats;
    casebus_views_stats(hub, &stats);
    for (uint64_t requests = stats.requests; now_us() < end;) {
        go_round((end - now_us()) / 1000 + 1);
        casebus_views_stats(hub, &stats);
        for (; requests < stats.requests; requests++) {
            printf("asked %lld\n", (long long)now_us());
        }
    }
    printf("ran\n");
}

static void print_stats(void)
{
    struct casebus_views_stats s;
    casebus_views_stats(hub, &s);
    printf("stats {\"heads\": %llu, \"moves\": %llu, \"requests\": %llu, \"saved\": %llu, "
           "\"epochs\": %llu, \"undecodable\": %llu}\n",
           (unsigned long long)s.heads, (unsigned long long)s.moves,
           (unsigned long long)s.requests, (unsigned long long)s.saved,
           (unsigned long long)s.epochs, (unsigned long long)s.undecodable);
}

static void obey(char *line)
{
    char *word[WORDS_MAX], *rest = line;
    size_t words = 0;
    while (words < WORDS_MAX && (word[words] = strtok_r(rest, " \n", &rest)) != NULL) {
        words++;
    }
    if (words == 0) {
        return;
    }
    if (strcmp(word[0], "open") == 0) {
        open_one(word, words);
    } else if (strcmp(word[0], "settle") == 0) {
        settle(strtoull(word[1], NULL, 10), word[2], strtoull(word[3], NULL, 10));
    } else if (strcmp(word[0], "run") == 0) {
        run(atoi(word[1]));
    } else if (strcmp(word[0], "stats") == 0) {
        print_stats();
    } else {
        act(word[0], word[1]);
    }
    fflush(stdout);
}

/* Lines are read by hand: a buffered reader would keep some where poll() does not see them. */
int main(int argc, char **argv)
{
    struct casebus_views_options options = casebus_views_options();
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    static char buffer[4096];
    size_t size = 0;
    must(argc == 3);
    options.fanout = argv[1];
    options.query = argv[2];
    must(casebus_views_new(&hub, options) == 0);
    for (;;) {
        if (poll(&in, 1, 0) > 0) {
            const ssize_t got = read(STDIN_FILENO, buffer + size, sizeof buffer - 1 - size);
            if (got <= 0) {
                break;
            }
            size += (size_t)got;
        }
        char *end = memchr(buffer, '\n', size);
        if (end != NULL) {
            const size_t line = (size_t)(end + 1 - buffer);
            char copy[sizeof buffer];
            memcpy(copy, buffer, line);
            copy[line] = '\0';
            memmove(buffer, buffer + line, size -= line);
            obey(copy);
        } else {
            go_round(2);
        }
    }
    while (views > 0) {
        close_at(views - 1);
    }
    casebus_views_destroy(&hub);
    return 0;
}
