/* casebus-broker: reads its settings, opens the store, runs the bus and the queries until told
 * to stop.
 *
 * The threads are czmq actors, each with its sockets from birth. Signals set a flag and wake
 * the main loop; a second SIGINT or SIGTERM leaves at once, which the store survives by design.
 */
#include "bus.h"
#include "command.h"
#include "log.h"
#include "memory.h"
#include "notify.h"
#include "offline.h"
#include "output.h"
#include "queries.h"
#include "tail.h"
#include "unreadable.h"
#include "zap.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int signal_pipe[2];

static void on_signal(int number)
{
    static volatile sig_atomic_t stopping;
    int saved = errno;
    char byte = number == SIGHUP ? 'h' : 's';
    if (byte == 's' && stopping++) {
        _exit(128 + number);
    }
    ssize_t ignored = write(signal_pipe[1], &byte, 1);
    (void)ignored;
    errno = saved;
}

static bool catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    return pipe(signal_pipe) == 0 && sigaction(SIGINT, &action, NULL) == 0 &&
           sigaction(SIGTERM, &action, NULL) == 0 && sigaction(SIGHUP, &action, NULL) == 0;
}

/* --- settings in force ------------------------------------------------------------------ */

static void set_level(const struct settings *s)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(s->log_level, words[i]) == 0) {
            log_set_level((enum log_level)(LEVEL_ERROR + i));
        }
    }
}

static void set_retention(const struct settings *s, struct retention *retention)
{
    atomic_store(&retention->events, s->retain_events);
    atomic_store(&retention->bytes, s->retain_bytes);
}

static void set_limits(const struct settings *s, struct limits *limits)
{
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        atomic_store(&limits->of[i], s->limits[i]);
    }
}

/* --- serving ---------------------------------------------------------------------------- */

struct broker {
    struct command *command;
    struct store *store;
    struct counters counters;
    struct bus_options bus_options;
    struct queries_options queries_options;
    struct actors *actors; /* those in force */
    struct kept_out *kept_out;
    const struct actor_table *table; /* what they are, as this thread has read them */
    struct casebus_keys keys;
    struct limits limits;
    struct gate gate;
    struct zap_options zap_options;
    zactor_t *zap, *bus, *queries;
    struct notify notify;
    const char *stuck; /* who does not get on; NULL: nobody, as far as was looked */
};

/* The table of the actors that the settings name; NULL: `why` says why not. */
static struct actor_table *read_actors(const struct settings *s, char *why, size_t why_size)
{
    struct actor_table *table =
        actor_table_read(s->actors[0] ? s->actors : NULL, &s->roles, why, why_size);
    if (table && actors_have_keys(table) && s->secret[0] == '\0') {
        snprintf(why, why_size,
                 "%s: actors have keys, which nobody is asked for without --secret FILE",
                 s->actors);
        actor_table_release(table);
        table = NULL;
    }
    return table;
}

/* Would a broker with these settings find its keys and actors in order? */
static bool check_files(const struct settings *s, char *why, size_t why_size)
{
    struct casebus_keys keys = {.secret_key = ""};
    bool good = s->secret[0] == '\0' || casebus_keys_read(&keys, s->secret, why, why_size) == 0;
    casebus_keys_forget(&keys);
    struct actor_table *table = good ? read_actors(s, why, why_size) : NULL;
    actor_table_release(table);
    return table != NULL;
}

static bool start_gate(struct broker *self, char *why, size_t why_size)
{
    const struct settings *s = &self->command->settings;
    self->gate.guarded = s->actors[0] != '\0';
    if (s->secret[0] != '\0') {
        if (casebus_keys_read(&self->keys, s->secret, why, why_size) != 0) {
            return false;
        }
        self->gate.keys = &self->keys;
    }
    struct actor_table *table = read_actors(s, why, why_size);
    if (!table) {
        return false;
    }
    self->gate.actors = self->actors = actors_new(table);
    self->gate.kept_out = self->kept_out = kept_out_new();
    if (!self->actors || !self->kept_out) {
        actor_table_release(self->actors ? NULL : table);
        snprintf(why, why_size, "out of memory");
        return false;
    }
    set_limits(s, &self->limits);
    self->gate.limits = &self->limits;
    actors_refresh(self->actors, &self->table);
    return true;
}

/* Rereads the settings and files that may change while it runs: takes in all of it, or nothing
 * where one of them has a fault. */
static void reload(struct broker *self)
{
    struct command *c = self->command;
    char why[8192], waiting[512];
    struct command again = *c;
    again.settings = settings_default();
    if (!c->config && !self->gate.guarded) {
        log_warning("SIGHUP: there is no settings file to read, see --config");
        return;
    }
    if (c->config && !settings_read_file(&again.settings, c->config, why, sizeof why)) {
        log_error("SIGHUP: settings unchanged: %s", why);
        return;
    }
    command_read_flags(&again, false); /* they win over the file, as at the start */
    if (!settings_check(&again.settings, why, sizeof why)) {
        log_error("SIGHUP: settings unchanged: %s", why);
        return;
    }
    if ((again.settings.actors[0] != '\0') != self->gate.guarded) {
        log_error(
            "SIGHUP: settings unchanged: whether there are actors changes with a restart");
        return;
    }
    struct actor_table *table = read_actors(&again.settings, why, sizeof why);
    if (!table) {
        log_error("SIGHUP: actors and settings unchanged: %s", why);
        return;
    }
    const struct actor_table *before = self->table;
    settings_reload(&c->settings, &again.settings, waiting, sizeof waiting);
    if (waiting[0]) {
        log_warning("SIGHUP: changed, and taken in by a restart only: %s", waiting);
    }
    set_level(&c->settings);
    set_retention(&c->settings, &self->bus_options.retention);
    set_limits(&c->settings, &self->limits);
    self->table = NULL;
    actors_swap(self->actors, table);
    actors_refresh(self->actors, &self->table);
    bool lost = self->gate.guarded && actors_lost(before, self->table);
    actor_table_release(before);
    zstr_send(self->queries, QUERIES_ACTORS);
    if (lost) {
        zstr_send(self->bus, BUS_REBIND); /* who is connected shows his key again */
    }
    log_info("SIGHUP: read %s, %u actors%s", c->config ? c->config : "no settings file",
             actor_count(self->table), lost ? ", live connections are checked again" : "");
}

/* zactor_new() returns once the actor has signalled; its options then say whether it serves. */
static int start_actor(zactor_t **actor, zactor_fn *run, void *options, atomic_bool *serving,
                       const char *why)
{
    *actor = zactor_new(run, options);
    if (!*actor || !atomic_load(serving)) {
        log_error("%s", why[0] ? why : "out of memory");
        return EXIT_START;
    }
    return EXIT_OK;
}

static int start_zap(struct broker *self)
{
    self->zap_options = (struct zap_options){.actors = self->actors,
                                             .audiences = &self->command->settings.audiences,
                                             .counters = &self->counters,
                                             .limits = &self->limits,
                                             .kept_out = self->kept_out};
#ifdef CASEBUS_TEST_ZAP
    const char *test = getenv("CASEBUS_TEST_ZAP");
    if (test && strcmp(test, "none") == 0) {
        return EXIT_OK;
    }
#endif
    return self->gate.guarded ? start_actor(&self->zap, zap_actor, &self->zap_options,
                                            &self->zap_options.serving, self->zap_options.why)
                              : EXIT_OK;
}

/* Without them libzmq and czmq end the process where they make a socket. */
#define DESCRIPTORS_LEAST 64 /* its own, and a few connections */
#define DESCRIPTORS_PER_AUDIENCE 8

static bool has_descriptors(unsigned audiences)
{
    struct rlimit limit;
    rlim_t least = DESCRIPTORS_LEAST + audiences * DESCRIPTORS_PER_AUDIENCE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= least) {
        return true;
    }
    log_error("%llu file descriptors are allowed, it takes %llu to start and one more for each "
              "connection: raise the limit (LimitNOFILE=, ulimit -n)",
              (unsigned long long)limit.rlim_cur, (unsigned long long)least);
    return false;
}

static int start(struct broker *self)
{
    const struct settings *s = &self->command->settings;
    struct store_options options = {.dir = s->data, .map_bytes = s->map_size};
    char why[8192];
    if (!has_descriptors(s->audiences.count)) {
        return EXIT_START;
    }
    if (!start_gate(self, why, sizeof why)) {
        log_error("%s", why);
        return EXIT_USAGE;
    }
    int rc = store_open(&self->store, &options, why, sizeof why);
    rc = rc ? rc : tail_check(self->store, why, sizeof why);
    if (rc != 0) {
        log_error("%s", why);
        return rc == CASEBUS_EIO ? EXIT_STORE : EXIT_START;
    }
    self->counters.started_at = clock_utc_us();
    int code = start_zap(self); /* before anything is bound */
    if (code != EXIT_OK) {
        return code;
    }
    self->bus_options = (struct bus_options){
        .gate = &self->gate,
        .ingest = s->ingest,
        .fanout = s->fanout,
        .audiences = &s->audiences,
        .store = self->store,
        .counters = &self->counters,
    };
    set_retention(s, &self->bus_options.retention);
    code = start_actor(&self->bus, bus_actor, &self->bus_options, &self->bus_options.serving,
                       self->bus_options.why);
    if (code != EXIT_OK) {
        return code;
    }
    self->queries_options = (struct queries_options){
        .gate = &self->gate,
        .query = s->query,
        .store = self->store,
        .counters = &self->counters,
        .audiences = &s->audiences,
        .audience_bound = self->bus_options.audience_bound,
        .ingest_bound = self->bus_options.ingest_bound,
        .fanout_bound = self->bus_options.fanout_bound,
    };
    return start_actor(&self->queries, queries_actor, &self->queries_options,
                       &self->queries_options.serving, self->queries_options.why);
}

static int say_ready(struct broker *self)
{
    struct txn *txn;
    struct state state;
    char epoch[2 * CASEBUS_EPOCH_SIZE + 1];
    int rc = txn_new_read(self->store, &txn);
    if (rc != 0) {
        return EXIT_START;
    }
    if (txn_begin(txn) != 0 || !txn_state(txn, &state)) {
        txn_destroy(&txn);
        return EXIT_STORE;
    }
    txn_destroy(&txn);
    sodium_bin2hex(epoch, sizeof epoch, state.epoch, sizeof state.epoch);
    printf("casebus-broker ready ingest=%s fanout=%s query=%s epoch=%s seq=%llu",
           self->bus_options.ingest_bound, self->bus_options.fanout_bound,
           self->queries_options.query_bound, epoch, (unsigned long long)state.seq);
    for (unsigned i = 0; i < self->command->settings.audiences.count; i++) {
        printf(" audience=%s,%s", self->command->settings.audiences.audience[i].name,
               self->bus_options.audience_bound[i]);
    }
    putchar('\n');
    fflush(stdout);
    notify_say(&self->notify, "READY=1\nSTATUS=serving");
    return EXIT_OK;
}

/* --- the service manager's watchdog ------------------------------------------------------ */

/* The service manager hears from the broker only while every thread gets on. One that is
 * stuck, on a disk that does not answer for instance, ends that, and the manager then ends
 * the broker. */
static void tell_watchdog(struct broker *self)
{
    const struct counters *c = &self->counters;
    const char *stuck = health_stuck(&c->health, self->notify.every_ms), *held = held_reason(c);
    if (stuck && stuck != self->stuck) {
        log_error("%s has not got on for %lld s: the service manager is not told that all is "
                  "well",
                  stuck, (long long)(self->notify.every_ms / 1000));
    }
    self->stuck = stuck;
    if (stuck) {
        notify_say(&self->notify, "STATUS=stuck: %s does not get on", stuck);
    } else if (held) {
        notify_say(&self->notify, "WATCHDOG=1\nSTATUS=%s", held);
    } else {
        notify_say(&self->notify, "WATCHDOG=1\nSTATUS=serving: %llu reports, %llu events",
                   (unsigned long long)counted(&c->reports),
                   (unsigned long long)counted(&c->events));
    }
}

/* Until a signal says stop, or the bus has ended by itself. */
static int wait_for_end(struct broker *self)
{
    zmq_pollitem_t items[] = {
        {NULL, signal_pipe[0], ZMQ_POLLIN, 0},
        {zsock_resolve(self->bus), 0, ZMQ_POLLIN, 0},
        {self->zap ? zsock_resolve(self->zap) : NULL, -1, ZMQ_POLLIN, 0},
    };
    struct memory memory = {.look_at = 0};
    for (;;) {
        int wait = notify_timeout(&self->notify);
        wait = wait < 0 || wait > MEMORY_LOOK_MS ? MEMORY_LOOK_MS : wait;
        if (zmq_poll(items, self->zap ? 3 : 2, wait) < 0) {
            continue; /* interrupted: the pipe says by what */
        }
        memory_look(&memory, zclock_mono());
        if (notify_due(&self->notify)) {
            tell_watchdog(self);
        }
        if (items[2].revents & ZMQ_POLLIN) {
            zsock_wait(self->zap);
            return EXIT_KEYS;
        }
        if (items[1].revents & ZMQ_POLLIN) {
            return EXIT_STORE;
        }
        char byte = 0;
        if (items[0].revents & ZMQ_POLLIN && read(signal_pipe[0], &byte, 1) == 1) {
            if (byte == 's') {
                return EXIT_OK;
            }
            reload(self);
        }
    }
}

/* An actor that failed while it served has sent a signal that nobody took. It is taken first,
 * for zactor_destroy() waits for another one. */
static void end_zap(struct broker *self, int code)
{
    bool served = self->zap && self->zap_options.why[0] == '\0';
    if (served && !atomic_load(&self->zap_options.serving) && code != EXIT_KEYS) {
        zsock_wait(self->zap);
    }
    zactor_destroy(&self->zap);
}

static void hold_signals(bool hold)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &ours, NULL);
}

static int serve(struct command *command)
{
    struct broker *self = calloc(1, sizeof *self);
    if (!self) {
        return EXIT_START;
    }
    self->command = command;
    notify_open(&self->notify);
    hold_signals(true); /* every thread made now never gets one */
    int code = start(self);
    hold_signals(false);
    if (code == EXIT_OK) {
        code = say_ready(self);
    }
    if (code == EXIT_OK) {
        code = wait_for_end(self);
    }
    notify_say(&self->notify, "STOPPING=1");
    zactor_destroy(&self->bus); /* first: what it has taken in is committed and told */
    zactor_destroy(&self->queries);
    end_zap(self, code); /* last: while a socket is bound somebody stands before it */
    bool ended = !atomic_load(&self->bus_options.serving) &&
                 !atomic_load(&self->queries_options.serving);
    if (!ended) {
        log_error("a thread did not end; the store stays open");
        return EXIT_STORE;
    }
    if (code == EXIT_OK && self->bus_options.failure != 0) {
        code = EXIT_STORE; /* what was taken in last could not be committed */
    }
    store_close(&self->store);
    free(self->bus_options.ingest_bound);
    free(self->bus_options.fanout_bound);
    for (unsigned i = 0; i < AUDIENCES_MAX; i++) {
        free(self->bus_options.audience_bound[i]);
    }
    free(self->queries_options.query_bound);
    notify_close(&self->notify);
    actor_table_release(self->table);
    actors_destroy(&self->actors);
    kept_out_destroy(&self->kept_out);
    casebus_keys_forget(&self->keys);
    free(self);
    return code;
}

/* What is asked for in place of serving; -1: nothing. */
static int offline(const struct command *c)
{
    return c->verify    ? offline_verify(c->verify, (unsigned)c->timeout_s)
           : c->restore ? offline_restore(c->settings.data, c->restore)
           : c->repair  ? offline_repair(c->repair)
                        : -1;
}

static int check(const struct settings *s)
{
    char why[8192];
    if (!check_files(s, why, sizeof why)) {
        return command_usage(why);
    }
    settings_print(s, stdout);
    return EXIT_OK;
}

/* Reads the command, and does what is no serving; -1: it is to serve. */
static int prepare(struct command *command)
{
    int code = command_read(command);
    if (code >= 0) {
        return code;
    }
    set_level(&command->settings);
    if (command->check_only) {
        return check(&command->settings);
    }
    return sodium_init() < 0 ? EXIT_START : offline(command);
}

int main(int argc, char **argv)
{
    struct command command = {.argc = argc, .argv = argv};
    output_begin();
    int code = prepare(&command);
    if (code >= 0) {
        return output_end("casebus-broker", code);
    }
    if (!catch_signals()) {
        fprintf(stderr, "casebus-broker: cannot prepare: %s\n", strerror(errno));
        return EXIT_START;
    }
    setenv("ZSYS_SIGHANDLER", "false",
           1); /* czmq takes the signals at its first call otherwise */
    unreadable_tell(command.settings.data);
    code = serve(&command);
    zsys_shutdown();
    return code;
}
