/* HTML: how what somebody else wrote gets into a page.
 *
 * What is in a record was written by somebody on some web page. There is one way for it into a
 * page of ours, html_add(), and addresses are links only where they begin as a web address
 * does. The pages' policy (server.c) forbids scripts that are not our files, should something
 * slip through nevertheless. */
#include "html.h"

#include "../show.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* --- escaping --------------------------------------------------------------------------- */

static const char *entity_of(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
        return "\n";
    case '\t':
        return "\t";
    default:
        return NULL;
    }
}

void html_add(struct text *out, struct casebus_bytes words)
{
    size_t at = 0;
    while (at < words.size) {
        size_t size = 0;
        while (at + size < words.size && entity_of(words.data[at + size]) == NULL) {
            size++;
        }
        /* What ends a run is ASCII, so no character is torn. */
        text_add_foreign(out, casebus_bytes(words.data + at, size));
        at += size;
        if (at < words.size) {
            text_add(out, entity_of(words.data[at]));
            at++;
        }
    }
}

static bool begins_with(struct casebus_bytes text, const char *start)
{
    const size_t size = strlen(start);
    return text.size >= size && strncasecmp((const char *)text.data, start, size) == 0;
}

void html_add_link(struct text *out, struct casebus_bytes url)
{
    const bool web = begins_with(url, "http://") || begins_with(url, "https://");
    if (web) {
        text_add(out, "<a rel=\"noreferrer\" href=\"");
        html_add(out, url);
        text_add(out, "\">");
    }
    html_add(out, url);
    text_add(out, web ? "</a>" : "");
}

void html_add_instant(struct text *out, uint64_t instant)
{
    const time_t seconds = (time_t)(instant / 1000000);
    struct tm utc;
    char date[32], hour[32];
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%d", &utc) == 0 ||
        strftime(hour, sizeof hour, "%H:%M:%S", &utc) == 0) {
        text_add_uint(out, instant);
        return;
    }
    text_format(out, "<time datetime=\"%sT%sZ\">%s %s UTC</time>", date, hour, date, hour);
}

void html_add_value(struct text *out, struct casebus_bytes field, struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    const enum casebus_kind kind = casebus_peek(&r);
    if (kind == CASEBUS_STR && text_ends_with(field, "url")) {
        html_add_link(out, casebus_read_str(&r));
    } else if (kind == CASEBUS_STR) {
        html_add(out, casebus_read_str(&r)); /* lines stay lines */
    } else if (kind == CASEBUS_UINT && show_is_instant(field)) {
        html_add_instant(out, casebus_read_uint(&r));
    } else if (kind == CASEBUS_NONE || kind == CASEBUS_NIL) {
        text_add(out, "–");
    } else {
        struct text value = {0};
        show_value(field, raw, 0, &value);
        html_add(out, casebus_bytes(text_get(&value), value.size));
        text_free(&value);
    }
}

void html_add_member(struct text *out, struct casebus_bytes map, const char *key)
{
    const struct casebus_bytes raw = casebus_map_get(map, key);
    if (raw.data != NULL) {
        html_add_value(out, casebus_cstr(key), raw);
    }
}
