/* What browsers ask for: pieces are text, and are found again in what is written of them; words
 * of others are never markup. */
#include "fuzz.h"

#include "csv.h"
#include "guard.h"
#include "html.h"
#include "url.h"

#include <strings.h>

static void check_target(const char *target)
{
    struct url url, again;
    struct text out = {0};
    if (url_parse(&url, target, URL_TARGET_MAX) == 0) {
        for (unsigned i = 0; i < url.segment_count; i++) {
            HOLDS(casebus_utf8_valid(casebus_cstr(url.segment[i])));
            text_add(&out, "/");
            url_add(&out, casebus_cstr(url.segment[i]));
        }
        if (out.size > 0 && out.size <= URL_TARGET_MAX) {
            HOLDS(url_parse(&again, text_get(&out), URL_TARGET_MAX) == 0);
            HOLDS(again.segment_count == url.segment_count);
            for (unsigned i = 0; i < url.segment_count; i++) {
                HOLDS(strcmp(again.segment[i], url.segment[i]) == 0);
            }
            url_free(&again);
        }
    }
    url_free(&url);
    text_free(&out);
}

static void check_words(struct casebus_bytes words)
{
    struct text html = {0}, cell = {0};
    html_add(&html, words);
    HOLDS(strpbrk(text_get(&html), "<>\"'\r\x1b") == NULL);
    HOLDS(strlen(text_get(&html)) == html.size);
    html_add_link(&html, words);
    csv_add_cell(&cell, words);
    HOLDS(cell.size >= words.size);
    text_free(&html);
    text_free(&cell);
}

static void check_headers(const char *value)
{
    static const struct guard guard = {.own = {"localhost"}, .own_count = 1, .port = 7480};
    if (guard_host(&guard, value)) {
        HOLDS(strncasecmp(value, "localhost:", 10) == 0 &&
              strtoul(value + 10, NULL, 10) == 7480);
    }
    HOLDS(!guard_same_origin(NULL, value, NULL, false));
    HOLDS(!guard_same_origin(NULL, value, NULL, true));
    guard_is_json(value);
    guard_is_form(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 2);
    HOLDS(text != NULL);
    text[0] = '/';
    memcpy(text + 1, data, size);
    text[size + 1] = '\0';
    check_target(text);
    check_headers(text + 1);
    check_words(casebus_bytes(data, size));
    free(text);
    return 0;
}
