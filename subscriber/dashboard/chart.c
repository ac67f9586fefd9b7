/* Charts as inline SVG.
 *
 * No script and no style of their own: shapes have classes, the style sheet has the colours. A
 * chart's picture is one image with a title to those who listen, and its numbers stand in a table
 * below it. */
#include "chart.h"

#include "html.h"
#include "rows.h"

#include <string.h>

/* --- events a minute ---------------------------------------------------------------------- */

#define MINUTES 60
#define BAR 10      /* width of a minute */
#define HEIGHT 120  /* of the highest */
#define LEFT 48     /* for the scale */

static const struct {
    const char *word;   /* class, and how it is called */
    const char *kind;   /* of event; NULL: all that have no series of their own */
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
    struct minute minute = {.at = row_number(row, "at")};
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
    struct rows rows = rows_of(encoded);
    struct casebus_bytes row;
    const size_t count = rows.left < MINUTES ? rows.left : MINUTES;
    for (size_t i = 0; i < count && rows_next(&rows, &row); i++) {
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
                        "<rect class=\"series-%s\" x=\"%zu\" y=\"%.1f\" width=\"%d\" "
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
    text_format(out, "<text class=\"label\" x=\"%d\" y=\"12\" text-anchor=\"end\">%llu</text>",
                LEFT - 6, (unsigned long long)top);
    text_format(out, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"end\">0</text>",
                LEFT - 6, HEIGHT);
    text_format(out, "<text class=\"label\" x=\"%d\" y=\"%d\">an hour ago</text>", LEFT,
                HEIGHT + 18);
    text_format(out, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"end\">now</text>",
                right, HEIGHT + 18);
}

static void add_minutes_table(struct text *out, const struct minute *minutes, size_t count)
{
    text_add(out, "<details><summary>Numbers</summary><table><thead><tr>"
                  "<th scope=\"col\">minute</th>");
    for (size_t i = 0; i < SERIES; i++) {
        text_format(out, "<th scope=\"col\">%s</th>", series[i].word);
    }
    text_add(out, "</tr></thead><tbody>\n");
    for (size_t m = count; m-- > 0;) {
        text_add(out, "<tr><th scope=\"row\">");
        html_add_instant(out, minutes[m].at);
        text_add(out, "</th>");
        for (size_t i = 0; i < SERIES; i++) {
            text_format(out, "<td>%llu</td>", (unsigned long long)minutes[m].count[i]);
        }
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></details>");
}

static void add_legend(struct text *out)
{
    text_add(out, "<ul class=\"legend\">");
    for (size_t i = 0; i < SERIES; i++) {
        text_format(out, "<li class=\"series-%s\">%s</li>", series[i].word, series[i].word);
    }
    text_add(out, "</ul>");
}

void chart_minutes(struct text *out, struct casebus_bytes encoded)
{
    struct minute minutes[MINUTES];
    const size_t count = read_minutes(encoded, minutes);
    uint64_t top = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        top = minutes[i].sum > top ? minutes[i].sum : top;
        sum += minutes[i].sum;
    }
    if (sum == 0) {
        text_add(out, "<p class=\"none\">No events in the last hour.</p>");
        return;
    }
    top = round_up(top);
    text_format(out,
                "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" "
                "aria-labelledby=\"minutes-title minutes-desc\">"
                "<title id=\"minutes-title\">Events a minute, by kind</title>"
                "<desc id=\"minutes-desc\">%llu events in the last hour; the numbers are in "
                "the table below.</desc>",
                LEFT + MINUTES * BAR, HEIGHT + 24, (unsigned long long)sum);
    draw_scale(out, top);
    for (size_t i = 0; i < count; i++) {
        draw_minute(out, &minutes[i], MINUTES - count + i, top);
    }
    text_add(out, "</svg>");
    add_legend(out);
    add_minutes_table(out, minutes, count);
}

/* --- cases by agency ---------------------------------------------------------------------- */

#define LINE 24
#define NAMES 100 /* width left of the bars */
#define BARS 420
#define SHOWN_MAX 40 /* more agencies than a person compares */

static void draw_agency(struct text *out, struct casebus_bytes row, unsigned place, uint64_t top)
{
    const uint64_t cases = row_number(row, "cases");
    const double size = (double)cases * BARS / (double)top;
    const unsigned y = place * LINE;
    text_format(out, "<text class=\"label\" x=\"%d\" y=\"%u\" text-anchor=\"end\">", NAMES - 8,
                y + 17);
    html_add(out, row_text(row, "code"));
    text_format(out,
                "</text><rect class=\"series-agency\" x=\"%d\" y=\"%u\" width=\"%.1f\" "
                "height=\"%d\"/><text class=\"label\" x=\"%.1f\" y=\"%u\">",
                NAMES, y + 3, size, LINE - 6, NAMES + size + 6, y + 17);
    text_add_count(out, cases);
    text_add(out, "</text>");
}

static void add_agencies_table(struct text *out, struct casebus_bytes agencies)
{
    struct rows rows = rows_of(agencies);
    struct casebus_bytes row;
    text_add(out, "<details><summary>Numbers</summary><table><thead><tr>"
                  "<th scope=\"col\">agency</th><th scope=\"col\">cases</th>"
                  "<th scope=\"col\">fines</th></tr></thead><tbody>\n");
    while (rows_next(&rows, &row)) {
        text_add(out, "<tr><th scope=\"row\">");
        html_add(out, row_text(row, "code"));
        text_add(out, "</th><td>");
        text_add_count(out, row_number(row, "cases"));
        text_add(out, "</td><td>");
        text_add_pence(out, row_number(row, "fine_pence"));
        text_add(out, "</td></tr>\n");
    }
    text_add(out, "</tbody></table></details>");
}

void chart_agencies(struct text *out, struct casebus_bytes agencies)
{
    struct rows rows = rows_of(agencies);
    struct casebus_bytes row;
    uint64_t top = 0;
    const unsigned shown = rows.left < SHOWN_MAX ? rows.left : SHOWN_MAX;
    while (rows_next(&rows, &row)) {
        const uint64_t cases = row_number(row, "cases");
        top = cases > top ? cases : top;
    }
    if (top == 0) {
        text_add(out, "<p class=\"none\">No cases yet.</p>");
        return;
    }
    text_format(out,
                "<svg class=\"chart\" viewBox=\"0 0 %d %u\" role=\"img\" "
                "aria-labelledby=\"agencies-title agencies-desc\">"
                "<title id=\"agencies-title\">Cases by agency</title>"
                "<desc id=\"agencies-desc\">The numbers are in the table below.</desc>",
                NAMES + BARS + 80, shown * LINE);
    rows = rows_of(agencies);
    for (unsigned i = 0; i < shown && rows_next(&rows, &row); i++) {
        draw_agency(out, row, i, top);
    }
    text_add(out, "</svg>");
    add_agencies_table(out, agencies);
}
