/* The command line and the settings file; see command.h. */
#include "command.h"

#include "help.h"
#include "offline.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#ifndef CASEBUS_VERSION
#define CASEBUS_VERSION "unknown"
#endif

static void print_help(void)
{
    printf(
        "casebus-broker: takes case reports, keeps the cases, publishes what happens to them\n"
        "\n"
        "usage: casebus-broker --data DIR [options]\n"
        "       casebus-broker --verify DIR [--timeout SECONDS]\n"
        "       casebus-broker --data DIR --restore BACKUP\n"
        "       casebus-broker --repair DIR\n"
        "\n"
        "Settings, as flags or as lines \"name = value\" of the settings file:\n");
    settings_help(stdout);
    printf(
        "\n"
        "Other options:\n"
        "  --config FILE          settings file; flags win over it\n"
        "  -n, --check            check settings, keys and actors, print the settings, leave\n"
        "  --verify DIR           check a store, a running broker's too, and leave\n"
        "  --timeout SECONDS      the longest that may take [as long as it gets on]\n"
        "  --restore BACKUP       put a backup in the place of the store in --data, as a new\n"
        "                         epoch, and leave; what was there is kept beside\n"
        "  --repair DIR           rebuild indexes, heads and totals from records and log, and\n"
        "                         leave; what was there is kept beside\n"
        "  --help, --version\n"
        "\n");
    limits_help(stdout);
    printf(
        "Signals: INT and TERM finish the batch at hand and leave; HUP rereads the settings\n"
        "file and the actors. Exit: 0 asked to stop, 1 a check found something or the output\n"
        "was lost, 2 usage or settings, 3 cannot start, restore or repair, 4 the store "
        "failed,\n"
        "5 the handler of keys failed.\n");
}

enum {
    OPTION_CONFIG = 1000,
    OPTION_VERIFY,
    OPTION_TIMEOUT,
    OPTION_RESTORE,
    OPTION_REPAIR,
    OPTION_HELP,
    OPTION_VERSION
};

/* The settings' flags, then our own. */
static const struct option *long_options(void)
{
    static const struct option own[] = {
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"check", no_argument, NULL, 'n'},
        {"verify", required_argument, NULL, OPTION_VERIFY},
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"restore", required_argument, NULL, OPTION_RESTORE},
        {"repair", required_argument, NULL, OPTION_REPAIR},
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

int command_usage(const char *why)
{
    fprintf(stderr, "casebus-broker: %s\nTry casebus-broker --help.\n", why);
    return EXIT_USAGE;
}

/* Flags win over the file, so they are read twice: for --config, then for the rest. -1: go on.
 */
int command_read_flags(struct command *c, bool config_only)
{
    char why[8192];
    int option;
    optind = 1;
    opterr = config_only;
    while ((option = getopt_long(c->argc, c->argv, "n", long_options(), NULL)) != -1) {
        if (option == '?') {
            return command_usage("an option is not known or lacks its value");
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
        } else if (option == OPTION_RESTORE) {
            c->restore = optarg;
        } else if (option == OPTION_REPAIR) {
            c->repair = optarg;
        } else if (option == OPTION_TIMEOUT) {
            char *end;
            c->timeout_s = strtoull(optarg, &end, 10);
            if (*end != '\0' || c->timeout_s < 1 || c->timeout_s > 1000000) {
                return command_usage("--timeout: must be a number of seconds, 1 or more");
            }
        } else if (option == 'n') {
            c->check_only = true;
        } else if (!config_only &&
                   !settings_set(&c->settings, settings_name((unsigned)option - 2000), optarg,
                                 why, sizeof why)) {
            return command_usage(why);
        }
    }
    return optind < c->argc ? command_usage("no arguments are expected, only options") : -1;
}

static int check_command(const struct command *c)
{
    char why[512];
    int offline = (c->verify != NULL) + (c->restore != NULL) + (c->repair != NULL);
    if (offline > 1) {
        return command_usage("--verify, --restore and --repair: one at a time");
    }
    if (c->timeout_s > 0 && !c->verify) {
        return command_usage("--timeout is for --verify");
    }
    if (!c->verify && !c->repair && c->settings.data[0] == '\0') {
        return command_usage("--data DIR is required");
    }
    return settings_check(&c->settings, why, sizeof why) ? -1 : command_usage(why);
}

int command_read(struct command *c)
{
    char why[8192];
    c->settings = settings_default();
    int code = command_read_flags(c, true);
    if (code >= 0) {
        return code;
    }
    if (c->config && !settings_read_file(&c->settings, c->config, why, sizeof why)) {
        return command_usage(why);
    }
    code = command_read_flags(c, false);
    return code < 0 ? check_command(c) : code;
}
