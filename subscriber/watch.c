/* casebus-watch: what is asked for on the command line, and whether it can be; events are
 * watch_events.c's to show, tables watch_table.c's. */
#include "watch.h"

#include "flags.h"
#include "output.h"
#include "start_check.h"
#include "stop.h"
#include "watch_events.h"
#include "watch_table.h"

#include <casebus/keys.h>
#include <casebus/subscriber.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t resized;

static void resize(int signal_number)
{
    (void)signal_number;
    resized = 1;
}

static void catch_resize_and_stop(void)
{
    struct sigaction action = {.sa_handler = resize};
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, NULL);
    stop_on_signals();
}

#define ROW(flag, argument, member, read, help)                                                \
    {                                                                                          \
        flag, argument, help, read, offsetof(struct watch_settings, member), 1                 \
    }

static const struct flag flags[] = {
    ROW("recent", NULL, recent, flag_switch, "a table of the newest cases, kept true"),
    ROW("sessions", NULL, sessions, flag_switch, "a table of the newest scrape sessions"),
    ROW("session", "NAME", session, flag_text,
        "a table of what a session meets: AGENCY:ID, or new for the next that starts"),
    ROW("limit", "N", limit, flag_rows, "rows of a table (20)"),
    ROW("json", NULL, json, flag_switch, "one JSON object a line"),
    ROW("count", "N", count, flag_count, "end after N events, or changes of a table"),
    ROW("timeout", "SECONDS", timeout_ms, flag_seconds, "end after SECONDS"),
    ROW("after", "SEQ", after, flag_number, "first what the log holds after SEQ"),
    ROW("from-start", NULL, from_start, flag_switch, "first everything the log holds"),
    ROW("cursor", "FILE", cursor, flag_text, "begin where FILE says, and keep it up to date"),
    ROW("unordered", NULL, unordered, flag_switch,
        "do not hold events back for those missing elsewhere"),
    ROW("fanout", "ENDPOINT", fanout, flag_endpoint,
        "where events come from (" CASEBUS_FANOUT_DEFAULT ")"),
    ROW("query", "ENDPOINT", query, flag_endpoint,
        "where the log is asked for (" CASEBUS_QUERY_DEFAULT ")"),
    ROW("audience", "NAME", audience, flag_text,
        "the broker's audience whose endpoint --fanout is"),
    ROW("ingest", "ENDPOINT", ingest, flag_text, "taken and not used"),
    ROW("secret", "FILE", secret, flag_text, "our own key pair, where the broker has keys"),
    ROW("server", "FILE.pub", server, flag_text, "the broker's public key; with --secret"),
    ROW("help", NULL, help, flag_switch, "this text"),
    ROW("version", NULL, version, flag_switch, "the version"),
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

static void print_help(void)
{
    fputs("usage: " PROGRAM " [options] PATTERN...\n"
          "       " PROGRAM " [options] --recent | --sessions [PATTERN...] | --session NAME\n"
          "Prints what happens to cases and sessions, as it happens; or a table, kept "
          "true.\n\n",
          stdout);
    flags_help(stdout, flags, FLAG_COUNT, 1);
    fputs(
        "\nWith --cursor nothing is skipped. After a kill at most the last lines come again, "
        "and\n"
        "one that it cut stands alone in a file before its event comes whole.\n"
        "--from-start and --after then count only while FILE does not exist, and other\n"
        "PATTERNs or another --audience than it was made with are refused. A broker restored\n"
        "from a backup has another history: watching goes on at its newest event, and stderr\n"
        "says so; with --json it shows in `epoch` of each line, which is another.\n"
        "A table is drawn in place on a terminal, elsewhere printed again when it has "
        "changed;\n"
        "with --json each change is a line: the keys in order, and the rows that are other.\n"
        "PATTERNs then say what makes it look.\n"
        "A pattern is a topic or its first segments: case, case:created, case:created:hse,\n"
        "case:created:hse:4812345, session:ended; a last segment * stands for all below.\n"
        "Exit: 0 N events or changes seen, interrupted, or time up without --count; 1 output\n"
        "failed; 2 usage or an impossible pattern; 3 time up before N.\n",
        stdout);
}

static int usage(const char *complaint)
{
    fprintf(stderr, PROGRAM ": %s (--help says more)\n", complaint);
    return EXIT_USAGE;
}

static const char *find_clash_of_events(const struct watch_settings *settings)
{
    if (settings->limit != FLAG_UNSET) {
        return "--limit is for tables";
    }
    if (settings->pattern_count == 0) {
        return "which PATTERN?";
    }
    if (settings->from_start && settings->after != FLAG_UNSET) {
        return "--after or --from-start, not both";
    }
    return settings->cursor != NULL && settings->unordered
               ? "--cursor needs order, --unordered has none"
               : NULL;
}

/* Why these options do not go together; NULL: they do. */
static const char *find_clash(const struct watch_settings *settings)
{
    const int tables = settings->recent + settings->sessions + (settings->session != NULL);
    if (tables > 1) {
        return "--recent, --sessions or --session, one of them";
    }
    if (tables == 0) {
        return find_clash_of_events(settings);
    }
    if (settings->session != NULL && settings->pattern_count > 0) {
        return "--session takes no PATTERN";
    }
    return settings->from_start || settings->after != FLAG_UNSET || settings->cursor != NULL ||
                   settings->unordered
               ? "a table shows what is now: no --from-start, --after, --cursor, --unordered"
               : NULL;
}

static int show_table(const struct watch_settings *settings)
{
    const struct watch_table table = {
        .fanout = settings->fanout,
        .query = settings->query,
        .secret = settings->secret,
        .server = settings->server,
        .audience = settings->audience,
        .what = settings->recent     ? WATCH_RECENT
                : settings->sessions ? WATCH_SESSIONS
                                     : WATCH_SESSION,
        .session = settings->session,
        .patterns = settings->patterns,
        .pattern_count = settings->pattern_count,
        .limit = settings->limit != FLAG_UNSET ? settings->limit : WATCH_ROWS,
        .count = settings->count,
        .timeout_ms = settings->timeout_ms,
        .json = settings->json,
        .resized = &resized,
    };
    catch_resize_and_stop();
    return watch_table(&table);
}

static int run(const struct watch_settings *settings)
{
    const struct casebus_client_options broker = {
        .query = settings->query, .secret = settings->secret, .server = settings->server};
    const char *clash = find_clash(settings);
    char key[CASEBUS_WHY_SIZE];
    if (casebus_credentials_check(settings->secret, settings->server, key, sizeof key) != 0) {
        return usage(key);
    }
    if (clash != NULL) {
        return usage(clash);
    }
    if (!start_check_audience(&broker, settings->audience)) {
        fprintf(stderr, PROGRAM ": --audience %s: " START_CHECK_NO_AUDIENCE "\n",
                settings->audience);
        return EXIT_USAGE;
    }
    if (settings->recent || settings->sessions || settings->session != NULL) {
        return show_table(settings);
    }
    return watch_events(settings);
}

int main(int argc, char **argv)
{
    struct watch_settings settings = {.fanout = CASEBUS_FANOUT_DEFAULT,
                                      .query = CASEBUS_QUERY_DEFAULT,
                                      .count = FLAG_UNSET,
                                      .after = FLAG_UNSET,
                                      .limit = FLAG_UNSET,
                                      .timeout_ms = -1};
    uint64_t given;
    output_begin();
    const int first = flags_read(PROGRAM, argc, argv, flags, FLAG_COUNT, &settings, &given);
    if (first < 0) {
        return EXIT_USAGE;
    }
    if (settings.help || settings.version) {
        if (settings.help) {
            print_help();
        } else {
            puts(PROGRAM " " CASEBUS_VERSION);
        }
        return output_end(PROGRAM, EXIT_FINE);
    }
    settings.patterns = (const char *const *)argv + first;
    settings.pattern_count = (size_t)(argc - first);
    return run(&settings);
}
