/* What the pages share: what a list says of itself, turning pages, and the answer. */
#include "pages.h"

#include <string.h>

bool page_is_unreached(const struct fetch *fetch)
{
    return fetch->error == CASEBUS_EUNREACHABLE || fetch->error == CASEBUS_ETIMEDOUT;
}

/* With a script the view's own words follow at once. */
void page_state(struct slots *slots, const char *slot, const struct fetch *fetch)
{
    struct text *const out = slot_get(slots, slot);
    if (fetch->asked && fetch->error == 0) {
        text_format(out, "complete through #%llu", (unsigned long long)fetch->reply.seq);
    } else if (page_is_unreached(fetch)) {
        text_add(out, "connecting: the broker does not answer");
    } else if (fetch->asked) {
        html_add(out, request_reason(fetch));
    }
}

void page_empty(struct slots *slots, const char *slot, const struct fetch *fetch,
                const char *words)
{
    struct text *const out = slot_get(slots, slot);
    if (fetch->asked && fetch->error != 0) {
        text_add(out, "Not known when this page was loaded: ");
        html_add(out, request_reason(fetch));
        text_add(out, ".");
    } else {
        const bool more = fetch->asked && casebus_map_get(fetch->reply.result, "next").data;
        text_add(out, more ? PAGE_NONE_HERE : words);
    }
}

void page_more(struct slots *slots, const char *slot, const struct request *request,
               unsigned which)
{
    if (request_result(request, which, "next").data != NULL) {
        text_add(slot_get(slots, slot), PAGE_MORE);
    }
}

void page_add_parameter(struct text *out, const char *name, const char *value)
{
    if (value != NULL && *value != '\0') {
        url_add(out, casebus_cstr(name));
        text_add(out, "=");
        url_add(out, casebus_cstr(value));
        text_add(out, "&amp;");
    }
}

static bool turns_pages(const char *name)
{
    return strcmp(name, "next") == 0 || strcmp(name, "as_of") == 0;
}

/* The parameters as they were, but for those that turn pages. */
static void add_query(const struct request *request, struct text *out)
{
    for (unsigned i = 0; i < request->url.parameter_count; i++) {
        const char *const name = request->url.parameter[i].name;
        if (!turns_pages(name)) {
            page_add_parameter(out, name, request->url.parameter[i].value);
        }
    }
}

void page_turns(struct slots *slots, const struct request *request, unsigned which,
                const char *path)
{
    const struct casebus_bytes token = casebus_as_bin(request_result(request, which, "next"));
    const uint64_t as_of = casebus_as_uint(request_result(request, which, "as_of"), 0);
    struct text *const first = slot_get(slots, "first"), *const next = slot_get(slots, "next");
    if (request_parameter(request, "next") != NULL) {
        text_format(first, "<a href=\"%s?", path);
        add_query(request, first);
        text_add(first, "\">First page</a>");
    }
    if (token.data != NULL) {
        text_format(next, "<a rel=\"next\" href=\"%s?", path);
        add_query(request, next);
        text_add(next, "next=");
        text_add_hex(next, token);
        if (as_of != 0) {
            text_format(next, "&amp;as_of=%llu", (unsigned long long)as_of);
        }
        text_add(next, "\">Next page</a>");
    }
}

void page_answer(struct request *request, struct slots *slots, unsigned status,
                 const char *name, struct casebus_bytes title)
{
    const struct fetch *const fetch = &request->fetch[0];
    if (fetch->body != NULL) {
        text_add_hex(slot_get(slots, "epoch"),
                     casebus_bytes(fetch->reply.epoch, sizeof fetch->reply.epoch));
    }
    request_fill_person(request, slots);
    text_clear(&request->body);
    template_page(name, title, slots, &request->body);
    request_answer(request, status, "text/html; charset=utf-8");
}
