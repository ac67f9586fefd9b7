/* casebus-ctl: questions to a broker, from a shell.
 *
 * Two tables say everything: the subcommands, each with its handler, operands and usage line,
 * and the options, each with the subcommands that take it. Dispatch, checks and help are made
 * from them, so a new subcommand is a row, a handler, and its bit in the options it takes. */
#include "ctl.h"

#include "output.h"

#include <casebus/keys.h>
#include <stdarg.h>
#include <string.h>

enum command {
    GET,
    RECENT,
    LIST,
    HISTORY,
    KNOWN,
    OFFENDER,
    AGENCIES,
    AGENCY,
    REPLAY,
    HEADS,
    SESSIONS,
    SESSION,
    QUARANTINE,
    REJECTS,
    STATUS,
    VERIFY,
    BACKUP,
    USER,
    KEYGEN,
    WHOAMI,
    CAN,
    COMMAND_COUNT
};

static const struct {
    const char *name;
    int (*run)(struct ctl *self);
    const char *operands; /* the usage line's end */
    int least, most;      /* operands; most -1: any number */
    const char *help;
} commands[COMMAND_COUNT] = {
    [GET] = {"get", ctl_get, "ID", 1, 1, "one case"},
    [RECENT] = {"recent", ctl_recent, "", 0, 0, "the newest cases"},
    [LIST] = {"list", ctl_list, "", 0, 0,
              "cases of an agency, a session, an offender, some dates"},
    [HISTORY] = {"history", ctl_history, "ID", 1, 1, "what happened to a case"},
    [KNOWN] = {"known", ctl_known, "ID...|-", 1, -1,
               "those of the ids that exist; - reads them from standard input"},
    [OFFENDER] = {"offender", ctl_offender, "AGENCY NAME", 2, 2, "an offender and his cases"},
    [AGENCIES] = {"agencies", ctl_agencies, "", 0, 0, "the agencies and their totals"},
    [AGENCY] = {"agency", ctl_agency, "CODE", 1, 1,
                "one agency; with options, sets what they say"},
    [REPLAY] = {"replay", ctl_replay, "[PATTERN...]", 0, CASEBUS_PATTERNS_MAX,
                "events out of the log, as casebus-watch prints them"},
    [HEADS] = {"heads", ctl_heads, "", 0, 0, "where every stream ends"},
    [SESSIONS] = {"sessions", ctl_sessions, "", 0, 0, "scrape sessions, newest first"},
    [SESSION] = {"session", ctl_session, "[stop] AGENCY:ID", 1, 3,
                 "one session; stop asks its worker to end it"},
    [QUARANTINE] = {"quarantine", ctl_quarantine, "[list|accept N|reject N]", 0, 2,
                    "reports that wait for a decision"},
    [REJECTS] = {"rejects", ctl_rejects, "", 0, 0, "the newest refused reports"},
    [STATUS] = {"status", ctl_status, "", 0, 0,
                "waits for the broker's three endpoints, says how it is"},
    [VERIFY] = {"verify", ctl_verify, "[DIR]", 0, 1,
                "checks the broker's store, or the one in a folder"},
    [BACKUP] = {"backup", ctl_backup, "DIR", 1, 1,
                "copies the store into a new folder of the broker's machine, and checks it"},
    [USER] = {"user", ctl_user, "add|list|remove|reset [NAME]", 1, 2,
              "the people who may use a dashboard (no broker is asked)"},
    [KEYGEN] = {"keygen", ctl_keygen, "NAME", 1, 1, "makes a key: NAME.secret and NAME.pub"},
    [WHOAMI] = {"whoami", ctl_whoami, "", 0, 0, "who we are to the broker, and what we may"},
    [CAN] = {"can", ctl_can, "ACTOR VERB [AGENCY]", 2, 3,
             "may he (of all agencies)? Exit 0 yes, 1 no"},
};

#define BIT(command) (UINT32_C(1) << (command))
#define ALL (BIT(COMMAND_COUNT) - 1)
#define PAGED                                                                                  \
    (BIT(RECENT) | BIT(LIST) | BIT(HISTORY) | BIT(SESSIONS) | BIT(SESSION) | BIT(QUARANTINE) | \
     BIT(REJECTS) | BIT(OFFENDER))
#define ROW(flag, argument, member, read, takers, help)                                        \
    {                                                                                          \
        flag, argument, help, read, offsetof(struct ctl_settings, member), takers              \
    }

/* Rows of a page; a replay is read page by page, and may be of any length. */
static const char *flag_limit(const char *text, void *member)
{
    return flag_count(text, member) == NULL ? NULL : FLAG_ROWS ", of a replay from 1 on";
}

static const struct flag flags[] = {
    ROW("json", NULL, json, flag_switch, ALL, "for programs: one JSON document"),
    ROW("load", "WHAT", load, flag_text, BIT(GET), "agency,offender,history: beside the case"),
    ROW("agency", "CODE", agency, flag_text, BIT(LIST) | BIT(SESSIONS) | BIT(QUARANTINE),
        "of this agency only"),
    ROW("session", "ID", session, flag_text, BIT(LIST), "of this session of the agency only"),
    ROW("offender", "NAME", offender, flag_text, BIT(LIST),
        "of offenders whose name begins with NAME"),
    ROW("postcode", "CODE", postcode, flag_text, BIT(OFFENDER),
        "where there are several of that name"),
    ROW("from", "DATE", from, flag_text, BIT(LIST), "action date from, YYYY-MM-DD"),
    ROW("to", "DATE", to, flag_text, BIT(LIST), "action date to, included"),
    ROW("order", "ORDER", order, flag_text, BIT(LIST),
        "newest or date (date where --from or --to is given)"),
    ROW("status", "STATUS", status, flag_text, BIT(SESSIONS),
        "active, ended, running, stopping, completed, failed, stopped, lost"),
    ROW("cases", NULL, cases, flag_switch, BIT(SESSION), "the session's cases"),
    ROW("name", "TEXT", name, flag_any_text, BIT(AGENCY),
        "what people call it (empty: no name)"),
    ROW("url", "URL", url, flag_any_text, BIT(AGENCY), "where its register is (empty: none)"),
    ROW("enable", NULL, enable, flag_switch, BIT(AGENCY), "it is to be scraped"),
    ROW("disable", NULL, disable, flag_switch, BIT(AGENCY),
        "it is not: for people and schedulers, reports are taken all the same"),
    ROW("as", "ID", as, flag_text, BIT(QUARANTINE), "accept as this case instead"),
    ROW("after", "SEQ", after, flag_number, BIT(REPLAY), "events after SEQ (0: all)"),
    ROW("limit", "N", limit, flag_limit, PAGED | BIT(REPLAY), "at most N rows"),
    ROW("next", "TOKEN", next, flag_text, PAGED, "the page after the one that gave TOKEN"),
    ROW("as-of", "SEQ", as_of, flag_number,
        BIT(RECENT) | BIT(LIST) | BIT(SESSIONS) | BIT(QUARANTINE),
        "without rows that came since, as the first page said"),
    ROW("accounts", "FILE", accounts, flag_text, BIT(USER),
        "the dashboard's accounts file; add makes it"),
    ROW("actor", "ACTOR", actor, flag_text, BIT(USER),
        "add: who the broker takes him for (NAME)"),
    ROW("out", "DIR", out, flag_text, BIT(KEYGEN), "where the files go (.)"),
    ROW("query", "ENDPOINT", query, flag_endpoint, ALL,
        "where to ask (" CASEBUS_QUERY_DEFAULT ")"),
    ROW("fanout", "ENDPOINT", fanout, flag_endpoint, ALL, "of events; status tries it"),
    ROW("audience", "NAME", audience, flag_text, ALL,
        "ask for no more than this audience is shown"),
    ROW("ingest", "ENDPOINT", ingest, flag_endpoint, ALL, "of reports; status tries it"),
    ROW("secret", "FILE", secret, flag_text, ALL,
        "our own key pair, where the broker has keys"),
    ROW("server", "FILE.pub", server, flag_text, ALL, "the broker's public key; with --secret"),
    ROW("timeout", "SECONDS", timeout_ms, flag_seconds, ALL,
        "how long to wait for an answer (5; verify, backup: for their end, no limit)"),
    ROW("help", NULL, help, flag_switch, ALL, "this text"),
    ROW("version", NULL, version, flag_switch, ALL, "the version"),
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

int ctl_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs(PROGRAM ": ", stderr);
    vfprintf(stderr, format, args);
    fputs(" (--help says more)\n", stderr);
    va_end(args);
    return EXIT_USAGE;
}

/* The options that this command has and not all have, by name. */
static void help_own_options(enum command command)
{
    const char *before = "     ", *after = "";
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (flags[i].commands != ALL && (flags[i].commands & BIT(command)) != 0) {
            printf("%s --%s", before, flags[i].name);
            before = "";
            after = "\n";
        }
    }
    fputs(after, stdout);
}

static void help_all(void)
{
    fputs("usage: " PROGRAM " COMMAND [operands] [options]\n\n", stdout);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].operands);
        printf("  %-36s %s\n", left, commands[i].help);
        help_own_options((enum command)i);
    }
    fputs("\nOptions of every command, before or behind it (what a command's own mean: " PROGRAM
          " COMMAND --help):\n",
          stdout);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (flags[i].commands == ALL) {
            flags_help(stdout, &flags[i], 1, ALL);
        }
    }
    fputs("\nExit: 0 fine; 1 not found, refused, or the check failed; 2 usage; 3 broker not "
          "reached.\n",
          stdout);
}

static void help_one(enum command command)
{
    printf("usage: " PROGRAM " %s%s%s [options]\n%s\n\n", commands[command].name,
           commands[command].operands[0] != '\0' ? " " : "", commands[command].operands,
           commands[command].help);
    flags_help(stdout, flags, FLAG_COUNT, BIT(command));
}

static int find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Refuses an option that the subcommand would not look at. */
static int check_options(enum command command, uint64_t given)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if ((given & UINT64_C(1) << i) != 0 && (flags[i].commands & BIT(command)) == 0) {
            return ctl_usage("%s has no option --%s", commands[command].name, flags[i].name);
        }
    }
    return EXIT_FINE;
}

static int check_operands(enum command command, int count)
{
    if (count < commands[command].least) {
        return ctl_usage("%s needs %s", commands[command].name, commands[command].operands);
    }
    if (commands[command].most >= 0 && count > commands[command].most) {
        return ctl_usage("too many operands; %s takes %s", commands[command].name,
                         commands[command].most == 0 ? "none" : commands[command].operands);
    }
    return EXIT_FINE;
}

static int run(struct ctl *self, enum command command)
{
    struct casebus_client_options options = casebus_client_options();
    options.query = self->settings.query != NULL ? self->settings.query : options.query;
    options.secret = self->settings.secret;
    options.server = self->settings.server;
    char key[CASEBUS_WHY_SIZE];
    if (casebus_credentials_check(options.secret, options.server, key, sizeof key) != 0) {
        return ctl_usage("%s", key);
    }
    int rc = casebus_client_new(&self->client, options);
    if (rc == 0) {
        rc = casebus_call_new(&self->call);
    }
    if (rc == 0) {
        rc = casebus_call_audience(self->call, self->settings.audience);
    }
    if (rc != 0) {
        return ctl_failed(self, NULL, rc);
    }
    return commands[command].run(self);
}

static int help_or_version(const struct ctl *self, int command)
{
    if (!self->settings.help) {
        puts(PROGRAM " " CASEBUS_VERSION);
    } else if (command < 0) {
        help_all();
    } else {
        help_one((enum command)command);
    }
    return output_end(PROGRAM, EXIT_FINE);
}

static int dispatch(struct ctl *self, uint64_t given)
{
    const int command = self->argc > 0 ? find_command(self->argv[0]) : -1;
    if (self->settings.help || self->settings.version) {
        return help_or_version(self, command);
    }
    if (self->argc == 0) {
        return ctl_usage("which COMMAND?");
    }
    if (command < 0) {
        return ctl_usage("%s: no such command", self->argv[0]);
    }
    self->argc--;
    self->argv++;
    int status = check_options((enum command)command, given);
    if (status == EXIT_FINE) {
        status = check_operands((enum command)command, self->argc);
    }
    return status == EXIT_FINE ? run(self, (enum command)command) : status;
}

int main(int argc, char **argv)
{
    struct ctl self = {.settings = {.limit = FLAG_UNSET,
                                    .as_of = FLAG_UNSET,
                                    .after = FLAG_UNSET,
                                    .timeout_ms = TIMEOUT_UNSET}};
    uint64_t given;
    output_begin();
    const int first =
        flags_read(PROGRAM, argc, argv, flags, FLAG_COUNT, &self.settings, &given);
    if (first < 0) {
        return EXIT_USAGE;
    }
    self.argc = argc - first;
    self.argv = argv + first;
    const int status = dispatch(&self, given);
    casebus_call_destroy(&self.call);
    casebus_client_destroy(&self.client);
    text_free(&self.out);
    return status;
}
