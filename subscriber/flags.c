/* Command lines from a table.
 *
 * getopt_long() takes options before, between and behind the operands, which is what lets
 * "casebus-ctl --json get ID" and "casebus-ctl get ID --json" be the same; the complaints are
 * ours, so that they name the program and not the path it was called by. */
#include "flags.h"

#include "text.h"

#include <casebus/endpoint.h>
#include <casebus/limits.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_MAX 64
#define SECONDS_MAX 2000000.0 /* of milliseconds in an int */

_Static_assert(CASEBUS_PAGE_MAX == 500, "FLAG_ROWS says so");

const char *flag_switch(const char *text, void *member)
{
    (void)text;
    *(bool *)member = true;
    return NULL;
}

const char *flag_any_text(const char *text, void *member)
{
    *(const char **)member = text;
    return NULL;
}

const char *flag_text(const char *text, void *member)
{
    flag_any_text(text, member);
    return *text != '\0' ? NULL : "must not be empty";
}

const char *flag_endpoint(const char *text, void *member)
{
    flag_any_text(text, member);
    return casebus_endpoint_connect_fault(text);
}

const char *flag_number(const char *text, void *member)
{
    return text_read_number(text, member) ? NULL : "must be a whole number, below 2^53";
}

static const char *read_within(const char *text, uint64_t most, uint64_t *number,
                               const char *wanted)
{
    return text_read_number(text, number) && *number >= 1 && *number <= most ? NULL : wanted;
}

const char *flag_count(const char *text, void *member)
{
    return read_within(text, UINT64_MAX, member, "must be a whole number, from 1 to 2^53 - 1");
}

const char *flag_rows(const char *text, void *member)
{
    return read_within(text, CASEBUS_PAGE_MAX, member, FLAG_ROWS);
}

const char *flag_seconds(const char *text, void *member)
{
    char *end;
    const double seconds = strtod(text, &end);
    bool digits = *text != '\0' && text[strspn(text, "0123456789.")] == '\0';
    if (!digits || *end != '\0' || !(seconds >= 0 && seconds <= SECONDS_MAX)) {
        return "must be a number of seconds, from 0 to 2000000";
    }
    *(int *)member = (int)(seconds * 1000 + 0.5);
    return NULL;
}

static void make_long_options(const struct flag *flags, size_t count, struct option *options)
{
    for (size_t i = 0; i < count; i++) {
        options[i] = (struct option){
            .name = flags[i].name,
            .has_arg = flags[i].argument != NULL ? required_argument : no_argument,
            .val = (int)i + 256}; /* above the characters that getopt itself gives */
    }
    options[count] = (struct option){0};
}

static int complain(const char *program, const char *what, const char *option)
{
    fprintf(stderr, "%s: %s: %s (--help says more)\n", program, option, what);
    return -1;
}

static int take(const char *program, const struct flag *flag, const char *text, void *settings)
{
    const char *const wrong = flag->read(text, (char *)settings + flag->member);
    if (wrong == NULL) {
        return 0;
    }
    fprintf(stderr, "%s: --%s %s: %s (--help says more)\n", program, flag->name, text, wrong);
    return -1;
}

int flags_read(const char *program, int argc, char **argv, const struct flag *flags,
               size_t count, void *settings, uint64_t *given)
{
    struct option options[FLAGS_MAX + 1];
    int choice;
    make_long_options(flags, count, options);
    *given = 0;
    opterr = 0;
    while ((choice = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (choice == ':') {
            return complain(program, "its argument is missing", argv[optind - 1]);
        }
        if (choice < 256) {
            return complain(program, "no such option", argv[optind - 1]);
        }
        const size_t row = (size_t)choice - 256;
        if (take(program, &flags[row], optarg, settings) != 0) {
            return -1;
        }
        *given |= UINT64_C(1) << row;
    }
    return optind;
}

void flags_help(FILE *out, const struct flag *flags, size_t count, uint32_t commands)
{
    for (size_t i = 0; i < count; i++) {
        if ((flags[i].commands & commands) != 0) {
            char left[64];
            snprintf(left, sizeof left, "--%s%s%s", flags[i].name,
                     flags[i].argument != NULL ? " " : "",
                     flags[i].argument != NULL ? flags[i].argument : "");
            fprintf(out, "  %-22s %s\n", left, flags[i].help);
        }
    }
}
