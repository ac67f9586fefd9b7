/* casebus-broker: reads its settings, opens the store, runs the bus and the queries until told to stop.
 *
 * The threads are czmq actors, each with its sockets from birth. Signals set a flag and wake the
 * main loop; a second SIGINT or SIGTERM leaves at once, which the store survives by design. */
#include "bus.h"
#include "log.h"
#include "queries.h"
#include "settings.h"
#include "verify.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CASEBUS_VERSION
#define CASEBUS_VERSION "unknown"
#endif

enum { EXIT_OK, EXIT_CHECK_FAILED, EXIT_USAGE, EXIT_START, EXIT_STORE };

struct command {
    struct settings settings;
    const char *config;
    const char *verify; /* folder to check; NULL: serve */
    bool check_only;
    int argc;
    char **argv;
};

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

/* --- the command line ------------------------------------------------------------------- */

static void print_help(void)
{
    printf("casebus-broker: takes case reports, keeps the cases, publishes what happens to them\n"
           "\n"
           "usage: casebus-broker --data DIR [options]\n"
           "       casebus-broker --verify DIR\n"
           "\n"
           "Settings, as flags or as lines \"name = value\" of the settings file:\n");
    settings_help(stdout);
    printf("\n"
           "Other options:\n"
           "  --config FILE          settings file; flags win over it\n"
           "  -n, --check            check the settings, print them, and leave\n"
           "  --verify DIR           check a store, a running broker's too, and leave\n"
           "  --help, --version\n"
           "\n"
           "Limits: report %d KiB, record %d KiB, %d reports a commit, %d agencies, %d patterns\n"
           "a subscriber, %d reports a publisher in flight, %d rejects kept, reply %d KiB.\n"
           "\n"
           "Signals: INT and TERM finish the batch at hand and leave; HUP rereads the settings\n"
           "file. Exit: 0 asked to stop, 1 a check found something, 2 usage or settings,\n"
           "3 cannot start, 4 the store failed.\n",
           CASEBUS_REPORT_MAX / 1024, CASEBUS_RECORD_MAX / 1024, CASEBUS_BATCH_MAX,
           CASEBUS_AGENCIES_MAX, CASEBUS_PATTERNS_MAX, CASEBUS_PUBLISHER_WINDOW,
           CASEBUS_REJECTS_MAX, CASEBUS_REPLY_MAX / 1024);
}

enum { OPTION_CONFIG = 1000, OPTION_VERIFY, OPTION_HELP, OPTION_VERSION };

/* The settings' flags, then our own. */
static const struct option *long_options(void)
{
    static const struct option own[] = {
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"check", no_argument, NULL, 'n'},
        {"verify", required_argument, NULL, OPTION_VERIFY},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    static struct option all[32];
    unsigned n = 0;
    for (; settings_name(n); n++) {
        all[n] = (struct option){settings_name(n), required_argument, NULL, 2000 + (int)n};
    }
    memcpy(all + n, own, sizeof own);
    return all;
}

static int usage(const char *why)
{
    fprintf(stderr, "casebus-broker: %s\nTry casebus-broker --help.\n", why);
    return EXIT_USAGE;
}

/* Flags win over the file, so they are read twice: for --config, then for the rest. -1: go on. */
static int read_flags(struct command *c, bool config_only)
{
    char why[8192];
    int option;
    optind = 1;
    opterr = config_only;
    while ((option = getopt_long(c->argc, c->argv, "n", long_options(), NULL)) != -1) {
        if (option == '?') {
            return usage("an option is not known or lacks its value");
        } else if (option == OPTION_HELP) {
            print_help();
            return EXIT_OK;
        } else if (option == OPTION_VERSION) {
            printf("casebus-broker %s\n", CASEBUS_VERSION);
            return EXIT_OK;
        } else if (option == OPTION_CONFIG) {
            c->config = optarg;
        } else if (option == OPTION_VERIFY) {
            c->verify = optarg;
        } else if (option == 'n') {
            c->check_only = true;
        } else if (!config_only && !settings_set(&c->settings, settings_name((unsigned)option - 2000),
                                                 optarg, why, sizeof why)) {
            return usage(why);
        }
    }
    return optind < c->argc ? usage("no arguments are expected, only options") : -1;
}

static int read_command(struct command *c)
{
    char why[8192];
    c->settings = settings_default();
    int code = read_flags(c, true);
    if (code >= 0) {
        return code;
    }
    if (c->config && !settings_read_file(&c->settings, c->config, why, sizeof why)) {
        return usage(why);
    }
    code = read_flags(c, false);
    if (code < 0 && !c->verify && c->settings.data[0] == '\0') {
        return usage("--data DIR is required");
    }
    return code;
}

static void set_level(const struct settings *s)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(s->log_level, words[i]) == 0) {
            log_set_level((enum log_level)i);
        }
    }
}

static void reload(struct command *c)
{
    char why[8192];
    struct command again = *c;
    again.settings = settings_default();
    if (!c->config) {
        log_warning("SIGHUP: there is no settings file to read, see --config");
    } else if (!settings_read_file(&again.settings, c->config, why, sizeof why)) {
        log_error("SIGHUP: settings unchanged: %s", why);
    } else {
        read_flags(&again, false); /* they win over the file, as at the start */
        settings_reload(&c->settings, &again.settings);
        set_level(&c->settings);
        log_info("SIGHUP: settings read from %s", c->config);
    }
}

/* --- checking a store ------------------------------------------------------------------- */

static int verify_folder(const char *dir)
{
    struct store *store;
    struct verify_report report = {.finding_count = 0};
    struct store_options options = {.dir = dir, .read_only = true};
    char why[4500];
    if (store_open(&store, &options, why, sizeof why) != 0) {
        fprintf(stderr, "casebus-broker: %s\n", why);
        return EXIT_CHECK_FAILED;
    }
    int rc = verify_store(store, &report);
    for (unsigned i = 0; i < report.finding_count && i < FINDINGS_MAX; i++) {
        printf("%s\n", report.findings[i]);
    }
    if (rc != 0) {
        fprintf(stderr, "casebus-broker: %s: %s\n", dir, casebus_strerror(rc));
    } else if (report.finding_count > 0) {
        printf("%s: %u findings, seq %llu\n", dir, report.finding_count,
               (unsigned long long)report.seq);
    } else {
        printf("%s: good, %llu records, seq %llu\n", dir,
               (unsigned long long)atomic_load(&report.checked), (unsigned long long)report.seq);
    }
    bool good = rc == 0 && report.finding_count == 0;
    verify_report_clear(&report);
    store_close(&store);
    return good ? EXIT_OK : EXIT_CHECK_FAILED;
}

/* --- serving ---------------------------------------------------------------------------- */

struct broker {
    struct command *command;
    struct store *store;
    struct counters counters;
    struct bus_options bus_options;
    struct queries_options queries_options;
    zactor_t *bus, *queries;
};

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

static int start(struct broker *self)
{
    const struct settings *s = &self->command->settings;
    struct store_options options = {.dir = s->data, .map_bytes = s->map_size};
    char why[4500];
    if (store_open(&self->store, &options, why, sizeof why) != 0) {
        log_error("%s", why);
        return EXIT_START;
    }
    self->counters.started_at = (uint64_t)zclock_time() * 1000u;
    self->bus_options = (struct bus_options){
        .ingest = s->ingest,
        .fanout = s->fanout,
        .store = self->store,
        .counters = &self->counters,
    };
    int code = start_actor(&self->bus, bus_actor, &self->bus_options, &self->bus_options.serving,
                           self->bus_options.why);
    if (code != EXIT_OK) {
        return code;
    }
    self->queries_options = (struct queries_options){
        .query = s->query,
        .store = self->store,
        .counters = &self->counters,
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
    printf("casebus-broker ready ingest=%s fanout=%s query=%s epoch=%s seq=%llu\n",
           self->bus_options.ingest_bound, self->bus_options.fanout_bound,
           self->queries_options.query_bound, epoch, (unsigned long long)state.seq);
    fflush(stdout);
    return EXIT_OK;
}

/* Until a signal says stop, or the bus has ended by itself. */
static int wait_for_end(struct broker *self)
{
    zmq_pollitem_t items[] = {
        {NULL, signal_pipe[0], ZMQ_POLLIN, 0},
        {zsock_resolve(self->bus), 0, ZMQ_POLLIN, 0},
    };
    for (;;) {
        if (zmq_poll(items, 2, -1) < 0) {
            continue; /* interrupted: the pipe says by what */
        }
        if (items[1].revents & ZMQ_POLLIN) {
            return EXIT_STORE;
        }
        char byte = 0;
        if (items[0].revents & ZMQ_POLLIN && read(signal_pipe[0], &byte, 1) == 1) {
            if (byte == 's') {
                return EXIT_OK;
            }
            reload(self->command);
        }
    }
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
    hold_signals(true); /* every thread made now never gets one */
    int code = start(self);
    hold_signals(false);
    if (code == EXIT_OK) {
        code = say_ready(self);
    }
    if (code == EXIT_OK) {
        code = wait_for_end(self);
    }
    zactor_destroy(&self->bus); /* first: what it has taken in is committed and told */
    zactor_destroy(&self->queries);
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
    free(self->queries_options.query_bound);
    free(self);
    return code;
}

int main(int argc, char **argv)
{
    struct command command = {.argc = argc, .argv = argv};
    int code = read_command(&command);
    if (code >= 0) {
        return code;
    }
    set_level(&command.settings);
    if (sodium_init() < 0 || !catch_signals()) {
        fprintf(stderr, "casebus-broker: cannot prepare: %s\n", strerror(errno));
        return EXIT_START;
    }
    if (command.check_only) {
        settings_print(&command.settings, stdout);
        return EXIT_OK;
    }
    if (command.verify) {
        return verify_folder(command.verify);
    }
    setenv("ZSYS_SIGHANDLER", "false", 1); /* czmq takes the signals at its first call otherwise */
    code = serve(&command);
    zsys_shutdown();
    return code;
}
