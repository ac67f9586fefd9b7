/* HTML: escaping, and templates.
 *
 * What is in a record was written by somebody on some web page. There is one way for it into a
 * page of ours, html_add(), and addresses are links only where they begin as a web address does.
 * The pages' policy (server.c) forbids scripts that are not our files, should something slip
 * through nevertheless. */
#include "html.h"

#include "../json.h"
#include "../show.h"
#include "asset.h"

#include <assert.h>
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

static bool ends_with(struct casebus_bytes text, const char *end)
{
    const size_t size = strlen(end);
    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

void html_add_link(struct text *out, struct casebus_bytes url)
{
    const bool web = begins_with(url, "http://") || begins_with(url, "https://");
    if (web) {
        text_add(out, "<a rel=\"noreferrer noopener\" href=\"");
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
    if (gmtime_r(&seconds, &utc) == NULL || strftime(date, sizeof date, "%Y-%m-%d", &utc) == 0 ||
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
    if (kind == CASEBUS_STR && ends_with(field, "url")) {
        html_add_link(out, casebus_read_str(&r));
    } else if (kind == CASEBUS_STR) {
        html_add(out, casebus_read_str(&r)); /* lines stay lines */
    } else if (kind == CASEBUS_UINT && (ends_with(field, "_at") || ends_with(field, "_seen"))) {
        html_add_instant(out, casebus_read_uint(&r));
    } else if (kind == CASEBUS_NONE || kind == CASEBUS_NIL) {
        text_add(out, "<span class=\"none\">none</span>");
    } else {
        struct text value = {0};
        show_value(field, raw, 0, &value);
        html_add(out, casebus_bytes(text_get(&value), value.size));
        text_free(&value);
    }
}

/* --- pages ------------------------------------------------------------------------------ */

struct text *page_slot(struct page *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->slot[i].name, name) == 0) {
            return &self->slot[i].markup;
        }
    }
    assert(self->count < PAGE_SLOTS_MAX);
    self->slot[self->count].name = name;
    return &self->slot[self->count++].markup;
}

void page_words(struct page *self, const char *name, struct casebus_bytes words)
{
    html_add(page_slot(self, name), words);
}

static void fill_slot(const struct page *self, const char *name, size_t size, struct text *out)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strlen(self->slot[i].name) == size && memcmp(self->slot[i].name, name, size) == 0) {
            text_add_bytes(out, text_get(&self->slot[i].markup), self->slot[i].markup.size);
            out->failed = out->failed || self->slot[i].markup.failed;
            return;
        }
    }
}

static void fill(const struct page *self, const char *name, struct text *out)
{
    const struct asset *const asset = asset_find("pages", name);
    const char *at = asset != NULL ? (const char *)asset->data : "";
    for (;;) {
        const char *const open = strstr(at, "{{");
        const char *const close = open != NULL ? strstr(open, "}}") : NULL;
        if (close == NULL) {
            text_add(out, at);
            return;
        }
        text_add_bytes(out, at, (size_t)(open - at));
        fill_slot(self, open + 2, (size_t)(close - open - 2), out);
        at = close + 2;
    }
}

static void page_free(struct page *self)
{
    for (size_t i = 0; i < self->count; i++) {
        text_free(&self->slot[i].markup);
    }
    self->count = 0;
}

void page_write(struct page *self, const char *name, const char *title, struct text *out)
{
    struct page layout = {0};
    char file[32];
    snprintf(file, sizeof file, "%s.html", name);
    page_words(&layout, "title", casebus_cstr(title));
    page_words(&layout, "page", casebus_cstr(name));
    fill(self, file, page_slot(&layout, "content"));
    fill(&layout, "layout.html", out);
    page_free(&layout);
    page_free(self);
}

void html_error_page(struct text *out, unsigned status, const char *code,
                     struct casebus_bytes text, struct casebus_bytes field)
{
    struct page page = {0};
    text_format(page_slot(&page, "status"), "%u", status);
    page_words(&page, "code", casebus_cstr(code));
    if (field.size > 0) {
        page_words(&page, "text", field);
        text_add(page_slot(&page, "text"), ": ");
    }
    page_words(&page, "text", text);
    page_write(&page, "error", "Not this", out);
}
