/* Charts as inline SVG.
 *
 * No script and no style of their own: shapes have classes, the style sheet has the colours. A
 * chart is one image to those who listen, named by its caption, and its numbers stand in a
 * table below it. */
#include "chart.h"

#include "lists.h"

#include <time.h>

/* --- events a minute ---------------------------------------------------------------------- */

#define MINUTES 60
#define BAR 10     /* width of a minute */
#define HEIGHT 120 /* of the highest */
#define LEFT 48    /* for the scale */

static const struct {
    const char *word; /* in the bars' class */
    const char *kind; /* of event; NULL: all that have no series of their own */
} series[] = {
    {"created", "case:created"},
    {"updated", "case:updated"},
    {"synced", "case:synced"},
    {"conflict", "case:conflict"},
    {"other", NULL},
};
#define SERIES (sizeof series / sizeof *series)

struct minute {
    uint64_t at, count[SERIES], sum;
};

static size_t series_of(struct casebus_bytes kind)
{
    size_t i = 0;
    while (series[i].kind != NULL && !casebus_bytes_is(kind, series[i].kind)) {
        i++;
    }
    return i;
}

static struct minute read_minute(struct casebus_bytes row)
{
    struct minute minute = {.at = member_number(row, "at")};
    struct casebus_reader r;
    casebus_reader_init(&r, casebus_map_get(row, "events"));
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        const size_t i = series_of(casebus_read_str(&r));
        const uint64_t count = casebus_read_uint(&r);
        minute.count[i] += count;
        minute.sum += count;
    }
    return minute;
}

/* Oldest first; how many. */
static size_t read_minutes(struct casebus_bytes encoded, struct minute *minutes)
{
    struct list rows = list_of(encoded);
    struct casebus_bytes row;
    const size_t count = rows.left < MINUTES ? rows.left : MINUTES;
    for (size_t i = 0; i < count && list_next(&rows, &row); i++) {
        minutes[count - 1 - i] = read_minute(row);
    }
    return count;
}

/* 7 becomes 10, 23 becomes 50: the end of a scale that can be read. */
static uint64_t round_up(uint64_t number)
{
    uint64_t power = 1;
    while (power * 10 < number) {
        power *= 10;
    }
    return number <= power       ? power
           : number <= 2 * power ? 2 * power
           : number <= 5 * power ? 5 * power
                                 : 10 * power;
}

static void draw_minute(struct text *out, const struct minute *minute, size_t place,
                        uint64_t top)
{
    uint64_t below = 0;
    for (size_t i = 0; i < SERIES; i++) {
        if (minute->count[i] > 0) {
            const double scale = (double)HEIGHT / (double)top;
            const double size = (double)minute->count[i] * scale;
            const double y = HEIGHT - (double)below * scale - size;
            text_format(out,
                        "<rect class=\"k-%s\" x=\"%zu\" y=\"%.1f\" width=\"%d\" "
                        "height=\"%.1f\"/>",
                        series[i].word, LEFT + place * BAR, y, BAR - 2, size);
            below += minute->count[i];
        }
    }
}

static void draw_scale(struct text *out, uint64_t top)
{
    const int right = LEFT + MINUTES * BAR;
    text_format(out, "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT,
                HEIGHT, right, HEIGHT);
    text_format(out, "<text class=\"tick\" x=\"%d\" y=\"12\" text-anchor=\"end\">%llu</text>",
                LEFT - 6, (unsigned long long)top);
    text_format(out, "<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"end\">0</text>",
                LEFT - 6, HEIGHT);
    text_format(out, "<text class=\"tick\" x=\"%d\" y=\"%d\">an hour ago</text>", LEFT,
                HEIGHT + 18);
    text_format(out, "<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"end\">now</text>",
                right, HEIGHT + 18);
}

static void add_minutes_rows(struct text *out, const struct minute *minutes, size_t count)
{
    for (size_t m = count; m-- > 0;) {
        const time_t seconds = (time_t)(minutes[m].at / 1000000);
        struct tm utc;
        char written[8] = "";
        if (gmtime_r(&seconds, &utc) != NULL) {
            strftime(written, sizeof written, "%H:%M", &utc);
        }
        text_format(out, "<tr><th scope=\"row\">%s</th>", written);
        for (size_t i = 0; i < SERIES; i++) {
            text_format(out, "<td class=\"num\">%llu</td>",
                        (unsigned long long)minutes[m].count[i]);
        }
        text_add(out, "</tr>\n");
    }
}

void chart_minutes(struct text *to, struct casebus_bytes encoded)
{
    struct slots slots = {0};
    struct text *const out = slot_get(&slots, "minutes");
    struct minute minutes[MINUTES];
    const size_t count = read_minutes(encoded, minutes);
    uint64_t top = 1;
    for (size_t i = 0; i < count; i++) {
        top = minutes[i].sum > top ? minutes[i].sum : top;
    }
    top = round_up(top);
    text_format(out,
                "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" "
                "aria-labelledby=\"minutes-title\"><desc>The numbers are in the table "
                "below.</desc>",
                LEFT + MINUTES * BAR, HEIGHT + 24);
    draw_scale(out, top);
    for (size_t i = 0; i < count; i++) {
        draw_minute(out, &minutes[i], MINUTES - count + i, top);
    }
    text_add(out, "</svg>");
    if (count > 0 && count < MINUTES) {
        text_add(slot_get(&slots, "since"), ", counted since the broker began at ");
        html_add_instant(slot_get(&slots, "since"), minutes[0].at);
    }
    add_minutes_rows(slot_get(&slots, "minutes_rows"), minutes, count);
    template_fill("chart_minutes", &slots, to);
    slots_free(&slots);
}

/* --- cases by agency ---------------------------------------------------------------------- */

#define LINE 24
#define NAMES 100  /* width left of the bars, at least */
#define LETTER 6.7 /* of a name, at most on average */
#define BARS 420
#define SHOWN_MAX 40 /* more agencies than a person compares */

static void draw_agency(struct text *out, struct casebus_bytes row, unsigned place, int names,
                        uint64_t top)
{
    const uint64_t cases = member_number(row, "cases");
    const double size = (double)cases * BARS / (double)top;
    const unsigned y = place * LINE;
    text_format(out, "<text class=\"tick\" x=\"%d\" y=\"%u\" text-anchor=\"end\">", names - 8,
                y + 17);
    html_add(out, member_text(row, "code"));
    text_format(out,
                "</text><rect class=\"k-agency\" x=\"%d\" y=\"%u\" width=\"%.1f\" "
                "height=\"%d\"/><text class=\"tick\" x=\"%.1f\" y=\"%u\">",
                names, y + 3, size, LINE - 6, names + size + 6, y + 17);
    text_add_count(out, cases);
    text_add(out, "</text>");
}

static void add_agencies_rows(struct text *out, struct casebus_bytes agencies)
{
    struct list rows = list_of(agencies);
    struct casebus_bytes row;
    while (list_next(&rows, &row)) {
        text_add(out, "<tr><th scope=\"row\">");
        name_agency(out, row);
        text_add(out, "</th><td class=\"num\">");
        text_add_count(out, member_number(row, "cases"));
        text_add(out, "</td><td class=\"num\">");
        html_add_member(out, row, "fine_pence"); /* not everybody is shown it */
        text_add(out, "</td></tr>\n");
    }
}

void chart_agencies(struct text *to, struct casebus_bytes agencies)
{
    struct slots slots = {0};
    struct text *const out = slot_get(&slots, "agencies");
    struct list rows = list_of(agencies);
    struct casebus_bytes row;
    uint64_t top = 1;
    int names = NAMES;
    const unsigned shown = rows.left < SHOWN_MAX ? rows.left : SHOWN_MAX;
    while (list_next(&rows, &row)) {
        const uint64_t cases = member_number(row, "cases");
        const int width = (int)((double)member_text(row, "code").size * LETTER) + 8;
        top = cases > top ? cases : top;
        names = width > names ? width : names;
    }
    text_format(out,
                "<svg class=\"chart\" viewBox=\"0 0 %d %u\" role=\"img\" "
                "aria-labelledby=\"agencies-title\"><desc>The numbers are in the table "
                "below.</desc>",
                names + BARS + 80, (shown > 0 ? shown : 1) * LINE);
    rows = list_of(agencies);
    for (unsigned i = 0; i < shown && list_next(&rows, &row); i++) {
        draw_agency(out, row, i, names, top);
    }
    text_add(out, "</svg>");
    add_agencies_rows(slot_get(&slots, "agencies_rows"), agencies);
    template_fill("chart_agencies", &slots, to);
    slots_free(&slots);
}
