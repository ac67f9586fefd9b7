/* Templates: files of pages/ with slots, {{name}}, and with other files in them, {{>file}}.
 *
 * What fills a slot is markup, put together here, with everything that came from elsewhere
 * through html_add(). A slot that nothing fills is empty; the comment with which each file
 * begins is for its readers and is left out. */
#ifndef CASEBUS_DASHBOARD_TEMPLATE_H
#define CASEBUS_DASHBOARD_TEMPLATE_H

#include "html.h"

#define SLOTS_MAX 32

struct slots {
    size_t count;
    struct {
        const char *name;
        struct text markup;
    } slot[SLOTS_MAX];
};

/* The slot's markup, to be added to; made where it is not there. */
struct text *slot_get(struct slots *self, const char *name);
/* Adds somebody else's words. */
void slot_words(struct slots *self, const char *name, struct casebus_bytes words);
/* Adds a member of a map, as html_add_value() does. */
void slot_member(struct slots *self, const char *name, struct casebus_bytes map,
                 const char *key);
void slots_clear(struct slots *self); /* keeps the memory, for the next row */
void slots_free(struct slots *self);

/* pages/<name>.html, filled. */
void template_fill(const char *name, const struct slots *slots, struct text *out);
/* The same as a whole page, inside layout.html; `title` is somebody else's words. Frees the
 * slots. */
void template_page(const char *name, struct casebus_bytes title, struct slots *slots,
                   struct text *out);
/* The same inside layout_door.html: before anybody has signed in. */
void template_door(const char *name, struct casebus_bytes title, struct slots *slots,
                   struct text *out);

#endif
