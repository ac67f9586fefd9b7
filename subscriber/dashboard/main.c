/* casebus-dashboard: pages for people, over HTTP.
 *
 * One thread and one loop: browsers (libmicrohttpd's epoll descriptor), live views (heads and
 * their requests) and requests of our own are items of one poll, and nothing in a turn of it
 * waits. */
#include "dashboard.h"

#include "../deadline.h"
#include "channel.h"
#include "notify.h"
#include "output.h"
#include "people.h"
#include "server.h"
#include "start_check.h"
#include "stop.h"
#include "streams.h"

#include <casebus/keys.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <zmq.h>

#define HTTP_DEFAULT "127.0.0.1:7480"
#define PATIENCE_MS 5000 /* before it says that it waits for a broker */
#define RING_MAX 65536
#define STREAMS_MAX 65536

enum {
    EXIT_FINE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_TAKEN = 3
};

/* --- command line ----------------------------------------------------------------------- */

static const char *flag_host(const char *text, void *member)
{
    struct settings *const settings = member;
    if (*text == '\0' || strpbrk(text, "/ \t@") != NULL) {
        return "must be a name, as cases.example.org";
    }
    if (settings->allow_hosts.count == ALLOW_HOSTS_MAX) {
        return "is one too many";
    }
    settings->allow_hosts.name[settings->allow_hosts.count++] = text;
    return NULL;
}

#define ROW(flag, argument, member, read, help)                                                \
    {                                                                                          \
        flag, argument, help, read, offsetof(struct settings, member), 1                       \
    }

static const struct flag flags[] = {
    ROW("http", "HOST:PORT", http, flag_text,
        "serve there (" HTTP_DEFAULT "); port 0: a free one"),
    ROW("accounts", "FILE", accounts, flag_text,
        "who may sign in, as casebus-ctl user writes it; nobody else is served"),
    ROW("behind-proxy", "ADDRESS", behind_proxy, flag_text,
        "of the proxy that speaks TLS; its X-Forwarded-For and -Proto are believed"),
    ROW("session-idle", "SECONDS", session_idle_ms, flag_seconds,
        "a login ends when it was idle for so long (1800)"),
    ROW("session-max", "SECONDS", session_max_ms, flag_seconds,
        "and in any case after so long (43200)"),
    ROW("fanout", "ENDPOINT", fanout, flag_endpoint,
        "where heads come from (" CASEBUS_FANOUT_DEFAULT ")"),
    ROW("query", "ENDPOINT", query, flag_endpoint,
        "where the broker is asked (" CASEBUS_QUERY_DEFAULT ")"),
    ROW("secret", "FILE", secret, flag_text, "our own key pair, where the broker has keys"),
    ROW("server", "FILE.pub", server, flag_text, "the broker's public key; with --secret"),
    ROW("audience", "NAME", audience, flag_text,
        "show no more than this audience, whose endpoint --fanout is"),
    {"allow-host", "NAME", "also answer to this name, up to 12 times (a proxy's)", flag_host, 0,
     1},
    ROW("ring", "N", ring, flag_count,
        "changes of a view that are kept for who reconnects (256)"),
    ROW("streams", "N", streams, flag_count, "pages that are kept up to date at a time (2000)"),
    ROW("streams-per-address", "N", streams_per_address, flag_count,
        "of them from one address (1200)"),
    ROW("help", NULL, help, flag_switch, "this text"),
    ROW("version", NULL, version, flag_switch, "the version"),
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

static void print_help(void)
{
    fputs(
        "usage: " PROGRAM " [options]\n"
        "Serves pages that show cases and scrape sessions as they happen, and a JSON API "
        "under\n"
        "/api/. It starts without a broker too, and says so. Without --accounts it serves\n"
        "this machine's loopback only, without login, to whoever is there; with it everybody\n"
        "signs in, and beyond loopback it is served through a proxy only (--behind-proxy).\n\n",
        stdout);
    flags_help(stdout, flags, FLAG_COUNT, 1);
    fputs("\nPrints \"" PROGRAM " ready on http://HOST:PORT/\" when it serves.\n"
          "Requests for another Host than the address, localhost, or one of --allow-host get\n"
          "421. A first SIGINT or SIGTERM ends it in order, a second at once.\n"
          "Exit: 0 ended by a signal, 1 failed, 2 usage, 3 the port is taken.\n",
          stdout);
}

/* --- starting --------------------------------------------------------------------------- */

/* A descriptor for each page that stays open, and some for the rest. */
static void raise_limit(const struct settings *settings)
{
    struct rlimit limit;
    const rlim_t wanted = settings->streams + 512;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) {
        fprintf(stderr, PROGRAM ": %llu open files are allowed; --streams %llu needs %llu\n",
                (unsigned long long)limit.rlim_cur, (unsigned long long)settings->streams,
                (unsigned long long)wanted);
    }
}

static int complain(const char *what, const char *why, int status)
{
    fprintf(stderr, PROGRAM ": %s: %s\n", what, why);
    return status;
}

/* Where there are accounts, before anybody can ask. */
static int open_people(struct dashboard *self)
{
    const struct settings *const settings = &self->settings;
    const char *const proxy = settings->behind_proxy;
    char why[512];
    if (proxy != NULL && (settings->accounts == NULL || !peer_is_address(proxy))) {
        return complain("--behind-proxy",
                        settings->accounts == NULL ? "only with --accounts"
                                                   : "not an IP address",
                        EXIT_USAGE);
    }
    if (settings->accounts != NULL &&
        people_new(&self->people, settings->accounts, settings->session_idle_ms,
                   settings->session_max_ms, why, sizeof why) != 0) {
        fprintf(stderr, PROGRAM ": %s\n", why);
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

static int open_parts(struct dashboard *self)
{
    const struct settings *const settings = &self->settings;
    const char *why = NULL;
    char key[CASEBUS_WHY_SIZE];
    if (casebus_credentials_check(settings->secret, settings->server, key, sizeof key) != 0) {
        fprintf(stderr, PROGRAM ": %s\n", key);
        return EXIT_USAGE;
    }
    const int status = open_people(self);
    if (status != EXIT_FINE) {
        return status;
    }
    int rc = server_new(&self->server, self, &why);
    if (rc == CASEBUS_ELOCKED) {
        return complain(settings->http, "the port is taken", EXIT_TAKEN);
    }
    if (rc != 0) {
        return complain(settings->http,
                        why != NULL         ? why
                        : rc == CASEBUS_EIO ? strerror(errno)
                                            : casebus_strerror(rc),
                        rc == CASEBUS_EINVAL ? EXIT_USAGE : EXIT_FAILED);
    }
    self->zmq = zmq_ctx_new();
    rc = self->zmq == NULL ? CASEBUS_ENOMEM : casebus_call_new(&self->call);
    rc = rc == 0 ? casebus_call_audience(self->call, settings->audience) : rc;
    rc = rc == 0 ? asker_new(&self->asker, self->zmq, settings->query, settings->secret,
                             settings->server)
                 : rc;
    rc = rc == 0 ? channels_new(&self->channels, self) : rc;
    rc = rc == 0 ? streams_new(&self->streams, self) : rc;
    return rc == 0 ? EXIT_FINE
                   : complain(self->asker == NULL ? settings->query : settings->fanout,
                              casebus_strerror(rc), EXIT_FAILED);
}

/* Browsers first: what sleeps must be awake before the server may end. */
static void close_parts(struct dashboard *self)
{
    self->ending = true;
    if (self->streams != NULL) {
        streams_end(self->streams);
        server_wake_all(self->server);
        server_step(self->server);
    }
    server_destroy(&self->server);
    streams_destroy(&self->streams);
    channels_destroy(&self->channels);
    asker_destroy(&self->asker);
    people_destroy(&self->people);
    casebus_call_destroy(&self->call);
    if (self->zmq != NULL) {
        zmq_ctx_term(self->zmq);
    }
}

/* --- the loop --------------------------------------------------------------------------- */

static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int timeout_of(const struct dashboard *self, const struct notify *notify)
{
    int timeout = sooner(server_timeout(self->server), asker_timeout(self->asker));
    timeout = sooner(timeout, notify_timeout(notify));
    timeout = sooner(timeout, casebus_views_timeout(channels_views(self->channels)));
    timeout = sooner(timeout, channels_timeout(self->channels));
    if (self->people != NULL) {
        timeout = sooner(timeout, people_timeout(self->people));
    }
    return sooner(timeout, streams_timeout(self->streams));
}

/* Answers and changes first, then the browsers they are for. */
static void step(struct dashboard *self)
{
    if (self->people != NULL) {
        people_step(self->people);
    }
    asker_step(self->asker);
    casebus_views_step(channels_views(self->channels)); /* what fails is tried again */
    channels_step(self->channels);
    streams_step(self->streams);
    server_step(self->server);
}

/* Once, where no broker was reached in the beginning. */
static void say_if_alone(struct dashboard *self, int64_t *patience)
{
    if (deadline_left(*patience) == 0) {
        *patience = INT64_MAX;
        if (casebus_views_epoch(channels_views(self->channels)) == NULL) {
            start_check_say_waiting(PROGRAM, self->settings.fanout,
                                    self->settings.secret != NULL);
        }
    }
}

static int serve(struct dashboard *self, struct notify *notify)
{
    struct casebus_views *const views = channels_views(self->channels);
    const int people = self->people != NULL;
    int64_t patience = deadline_after(PATIENCE_MS);
    while (!stop_requested()) {
        zmq_pollitem_t items[] = {
            {.fd = server_descriptor(self->server), .events = ZMQ_POLLIN},
            {.socket = asker_socket(self->asker), .events = ZMQ_POLLIN},
            {.socket = casebus_views_socket(views, 0), .events = ZMQ_POLLIN},
            {.socket = casebus_views_socket(views, 1), .events = ZMQ_POLLIN},
            {.fd = people ? people_descriptor(self->people) : -1, .events = ZMQ_POLLIN},
        };
        const int timeout = sooner(timeout_of(self, notify), deadline_left(patience));
        if (zmq_poll(items, 4 + people, timeout) < 0 && errno != EINTR) {
            fprintf(stderr, PROGRAM ": %s\n", zmq_strerror(errno));
            return EXIT_FAILED;
        }
        step(self);
        say_if_alone(self, &patience);
        if (notify_due(notify)) { /* the loop has just gone round */
            notify_say(notify, "WATCHDOG=1\nSTATUS=serving: %u pages are kept up to date",
                       streams_count(self->streams));
        }
    }
    return EXIT_FINE;
}

/* One that starts before its broker is told of a wrong audience by its pages alone. */
static int check_audience(const struct settings *settings)
{
    const struct casebus_client_options broker = {
        .query = settings->query, .secret = settings->secret, .server = settings->server};
    return start_check_audience(&broker, settings->audience)
               ? EXIT_FINE
               : complain(settings->audience, START_CHECK_NO_AUDIENCE, EXIT_USAGE);
}

static int run(struct dashboard *self)
{
    struct notify notify;
    notify_open(&notify);
    stop_on_signals();
    signal(SIGPIPE, SIG_IGN);
    raise_limit(&self->settings);
    int status = open_parts(self);
    status = status == EXIT_FINE ? check_audience(&self->settings) : status;
    if (status == EXIT_FINE) {
        printf(PROGRAM " ready on http://%s/\n", server_address(self->server));
        fflush(stdout);
        notify_say(&notify, "READY=1\nSTATUS=serving on http://%s/",
                   server_address(self->server));
        status = serve(self, &notify);
    }
    notify_say(&notify, "STOPPING=1");
    close_parts(self);
    notify_close(&notify);
    return status;
}

int main(int argc, char **argv)
{
    struct dashboard self = {.settings = {.http = HTTP_DEFAULT,
                                          .fanout = CASEBUS_FANOUT_DEFAULT,
                                          .query = CASEBUS_QUERY_DEFAULT,
                                          .session_idle_ms = 1800 * 1000,
                                          .session_max_ms = 43200 * 1000,
                                          .ring = 256,
                                          .streams = 2000,
                                          .streams_per_address = 1200}};
    uint64_t given;
    output_begin();
    const int first =
        flags_read(PROGRAM, argc, argv, flags, FLAG_COUNT, &self.settings, &given);
    if (first < 0) {
        return EXIT_USAGE;
    }
    if (self.settings.help || self.settings.version) {
        if (self.settings.help) {
            print_help();
        } else {
            puts(PROGRAM " " CASEBUS_VERSION);
        }
        return output_end(PROGRAM, EXIT_FINE);
    }
    if (first < argc) {
        fprintf(stderr, PROGRAM ": %s: takes no operands (--help says more)\n", argv[first]);
        return EXIT_USAGE;
    }
    if (self.settings.ring > RING_MAX || self.settings.streams > STREAMS_MAX) {
        fprintf(stderr, PROGRAM ": --ring is at most %d, --streams at most %d\n", RING_MAX,
                STREAMS_MAX);
        return EXIT_USAGE;
    }
    return run(&self);
}
