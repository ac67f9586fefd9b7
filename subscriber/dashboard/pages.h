/* What the pages share. */
#ifndef CASEBUS_DASHBOARD_PAGES_H
#define CASEBUS_DASHBOARD_PAGES_H

#include "lists.h"
#include "request.h"

/* "complete through #12", or why there is nothing: of what a fetch brought. */
void page_state(struct slots *slots, const char *slot, const struct fetch *fetch);
/* What stands in place of a list without rows: these words, true where the whole list has none;
 * that this page has none, for a page may be empty and not the last; or why there is no
 * answer. */
#define PAGE_NONE_HERE "None on this page."
void page_empty(struct slots *slots, const char *slot, const struct fetch *fetch,
                const char *words);
/* What is added where a list goes on behind the rows that are shown, to a view's words too. */
#define PAGE_MORE "; there are more than are shown here"
void page_more(struct slots *slots, const char *slot, const struct request *request,
               unsigned which);
/* The broker is not there, as opposed to: it said no. */
bool page_is_unreached(const struct fetch *fetch);
/* Links to the first page and to the one behind what a fetch brought. */
void page_turns(struct slots *slots, const struct request *request, unsigned which,
                const char *path);
/* "name=value&amp;" for the query string of a link; nothing where there is no value. */
void page_add_parameter(struct text *out, const char *name, const char *value);
/* pages/<name>.html as the answer; `title` is somebody else's words. */
void page_answer(struct request *request, struct slots *slots, unsigned status,
                 const char *name, struct casebus_bytes title);

#endif
