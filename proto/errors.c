/* Error codes: one table, three ways to read it.
 *
 * The table is made from CASEBUS_ERRORS and indexed by the code itself, so a code without a
 * word cannot exist. Everything given back is static. */
#include <casebus/errors.h>
#include <stddef.h>
#include <string.h>

struct error {
    const char *word, *text;
};

static const struct error errors[] = {[0] = {NULL, "success"},
#define X(code, number, word, text) [-(number)] = {word, text},
                                      CASEBUS_ERRORS(X)
#undef X
};
#define ERROR_COUNT ((int)(sizeof errors / sizeof errors[0]))

static const struct error *find(int error)
{
    if (error >= 0 || error <= -ERROR_COUNT || !errors[-error].word) {
        error = CASEBUS_EINTERNAL;
    }
    return &errors[-error];
}

const char *casebus_strerror(int error)
{
    return error == 0 ? errors[0].text : find(error)->text;
}

const char *casebus_error_word(int error)
{
    return find(error)->word;
}

int casebus_error_from_word(const char *word, unsigned long size)
{
    for (int i = 1; i < ERROR_COUNT; i++) {
        const char *known = errors[i].word;
        if (known && strlen(known) == size && memcmp(known, word, size) == 0) {
            return -i;
        }
    }
    return CASEBUS_EPROTO;
}

bool casebus_error_passes(int error)
{
    return error == CASEBUS_ELIMITED || error == CASEBUS_EBUSY || error == CASEBUS_EBEHIND;
}
