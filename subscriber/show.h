/* Values and events as people read them. */
#ifndef CASEBUS_SHOW_H
#define CASEBUS_SHOW_H

#include <casebus/event.h>

#include "text.h"

/* An event on one line, without its end: time, kind, case or session, and what there is to
 * say. */
void show_event(const struct casebus_event *event, bool colour, struct text *out);
/* "offence_fine £1,000.00 → £2,000.00, offender.town (none) → Leeds" */
void show_changed(struct casebus_bytes changed, struct text *out);
/* A field's name says its unit. Is a number under this name an instant, or pence? */
bool show_is_instant(struct casebus_bytes field);
bool show_is_pence(struct casebus_bytes field);
/* A value in its unit, cut to `columns` (0: whole). */
void show_value(struct casebus_bytes field, struct casebus_bytes raw, size_t columns,
                struct text *out);
/* A map, a line a value, names of inner ones with dots: "offender.name  Acme Ltd". */
void show_record(struct casebus_bytes map, struct text *out);
/* One of its pairs, as show_record() has it among the others. */
void show_pair(struct casebus_bytes key, struct casebus_bytes raw, struct text *out);
/* "12 pages, 40 found: 3 created, 1 updated, 35 existing, 1 error" */
void show_counters(struct casebus_bytes session, struct text *out);

#endif
