/* The outcome words, from the one table in the header. */
#include <casebus/outcome.h>

static const char *const words[CASEBUS_OUTCOME_COUNT] = {
#define X(symbol, word) [symbol] = word,
    CASEBUS_OUTCOMES(X)
#undef X
};

const char *casebus_outcome_word(enum casebus_outcome outcome)
{
    return outcome < CASEBUS_OUTCOME_COUNT ? words[outcome] : "unknown";
}

enum casebus_outcome casebus_outcome_from_word(struct casebus_bytes word)
{
    unsigned i = 0;
    while (i < CASEBUS_OUTCOME_COUNT && !casebus_bytes_is(word, words[i])) {
        i++;
    }
    return (enum casebus_outcome)i;
}
