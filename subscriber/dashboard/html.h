/* HTML: how what somebody else wrote gets into a page. */
#ifndef CASEBUS_DASHBOARD_HTML_H
#define CASEBUS_DASHBOARD_HTML_H

#include "../text.h"

/* Somebody else's words, for text and for attribute values in double quotes: what HTML takes
 * for markup becomes an entity, what hides or turns text around is spelled out as
 * text_add_foreign() does; line feeds and tabs stay. */
void html_add(struct text *out, struct casebus_bytes words);
/* The words as a link where they are an http(s) address, and as text otherwise. */
void html_add_link(struct text *out, struct casebus_bytes url);
/* <time>, UTC to the second. */
void html_add_instant(struct text *out, uint64_t instant);
/* A value by its field's name (…_pence, …_at, url), of any kind. */
void html_add_value(struct text *out, struct casebus_bytes field, struct casebus_bytes raw);
/* A member of a map by html_add_value(); nothing where it is absent. */
void html_add_member(struct text *out, struct casebus_bytes map, const char *key);

#endif
