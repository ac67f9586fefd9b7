/* Case records as CSV (RFC 4180). */
#ifndef CASEBUS_DASHBOARD_CSV_H
#define CASEBUS_DASHBOARD_CSV_H

#include "../text.h"

/* A cell, as any program reads it back; one that a spreadsheet would take for a formula gets an
 * apostrophe before it. */
void csv_add_cell(struct text *out, struct casebus_bytes text);
void csv_add_header(struct text *out);
void csv_add_record(struct text *out, struct casebus_bytes record);

#endif
