/* HTML: escaping, and templates.
 *
 * A template is a file of pages/ with slots, {{name}}. What fills a slot is markup: put together
 * here, with everything that came from elsewhere through html_add(). */
#ifndef CASEBUS_DASHBOARD_HTML_H
#define CASEBUS_DASHBOARD_HTML_H

#include "../text.h"

/* Somebody else's words, for text and for attribute values in double quotes: what HTML takes for
 * markup becomes an entity, what hides or turns text around is spelled out as text_add_foreign()
 * does; line feeds and tabs stay. */
void html_add(struct text *out, struct casebus_bytes words);
/* The words as a link where they are an http(s) address, and as text otherwise. */
void html_add_link(struct text *out, struct casebus_bytes url);
/* <time>, UTC to the second. */
void html_add_instant(struct text *out, uint64_t instant);
/* A value by its field's name (…_pence, …_at, url), of any kind. */
void html_add_value(struct text *out, struct casebus_bytes field, struct casebus_bytes raw);

/* --- pages ------------------------------------------------------------------------------- */

#define PAGE_SLOTS_MAX 24

struct page {
    size_t count;
    struct {
        const char *name;
        struct text markup;
    } slot[PAGE_SLOTS_MAX];
};

/* The slot's markup, to be added to; made where it is not there. */
struct text *page_slot(struct page *self, const char *name);
void page_words(struct page *self, const char *name, struct casebus_bytes words);
/* pages/<name>.html, filled, inside pages/layout.html, whose slots are `title`, `page` (the
 * name) and `content`. Frees the page. A slot that nothing fills is empty. */
void page_write(struct page *self, const char *name, const char *title, struct text *out);

/* error.html: status, code, text. */
void html_error_page(struct text *out, unsigned status, const char *code,
                     struct casebus_bytes text, struct casebus_bytes field);

#endif
