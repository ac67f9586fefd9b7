/* What the pages share. */
#ifndef CASEBUS_DASHBOARD_PAGES_H
#define CASEBUS_DASHBOARD_PAGES_H

#include "html.h"
#include "request.h"

/* A slot with what is known of a fetch: "complete through #12", or why there is nothing. */
void page_state(struct page *page, const char *slot, const struct fetch *fetch);
void page_answer(struct request *request, struct page *page, const char *name,
                 const char *title);

#endif
