/* Times in files: ISO 8601 text to microseconds since 1970.
 *
 * Only UTC, and only where it says so: a time without a zone is some machine's local one, and
 * to guess would shift what is older than what. Fractions past a microsecond are cut off. */
#include "instant.h"

#include <casebus/schema.h>
#include <string.h>

/* Days since 1970-01-01 of a day of the Gregorian calendar: years begin in March, so that the
 * day that comes and goes is their last. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

/* `count` digits at `at`; -1: something else is there. */
static int64_t digits(const unsigned char *at, size_t count)
{
    int64_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return -1;
        }
        n = n * 10 + (at[i] - '0');
    }
    return n;
}

/* "hh:mm:ss" to seconds; -1: not a time of day. */
static int64_t seconds_of_day(const unsigned char *at)
{
    int64_t hour = digits(at, 2), minute = digits(at + 3, 2), second = digits(at + 6, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 ||
        at[2] != ':' || at[5] != ':') {
        return -1;
    }
    return hour * 3600 + minute * 60 + second;
}

/* A fraction of a second, if there is one, and moves behind it; -1: a point without digits. */
static int64_t take_fraction(struct casebus_bytes *text)
{
    if (text->size == 0 || (text->data[0] != '.' && text->data[0] != ',')) {
        return 0;
    }
    int64_t micros = 0, unit = 100000;
    size_t i = 1;
    for (; i < text->size && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
        micros += unit * (text->data[i] - '0');
        unit /= 10;
    }
    *text = casebus_bytes(text->data + i, text->size - i);
    return i > 1 ? micros : -1;
}

int instant_from_text(struct casebus_bytes text, uint64_t *instant)
{
    const size_t date_size = strlen("YYYY-MM-DD"), head_size = strlen("YYYY-MM-DDThh:mm:ss");
    if (text.size <= head_size || !casebus_date_valid(casebus_bytes(text.data, date_size)) ||
        (text.data[date_size] != 'T' && text.data[date_size] != ' ')) {
        return CASEBUS_EVALUE;
    }
    int64_t seconds = seconds_of_day(text.data + date_size + 1);
    int64_t day = days_since_1970(digits(text.data, 4), digits(text.data + 5, 2),
                                  digits(text.data + 8, 2));
    struct casebus_bytes rest = casebus_bytes(text.data + head_size, text.size - head_size);
    int64_t micros = take_fraction(&rest);
    bool is_utc = casebus_bytes_is(rest, "Z") || casebus_bytes_is(rest, "+00:00");
    if (seconds < 0 || micros < 0 || day < 0 || !is_utc) {
        return CASEBUS_EVALUE;
    }
    *instant = (uint64_t)((day * 86400 + seconds) * 1000000 + micros);
    return 0;
}
