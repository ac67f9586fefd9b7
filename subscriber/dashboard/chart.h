/* Charts as inline SVG, each with its numbers in a table for those who cannot or would not
 * look. */
#ifndef CASEBUS_DASHBOARD_CHART_H
#define CASEBUS_DASHBOARD_CHART_H

#include "template.h"

/* chart_minutes.html, filled: events a minute by kind (broker.status' `minutes`). */
void chart_minutes(struct text *to, struct casebus_bytes encoded);
/* chart_agencies.html, filled: cases by agency (the rows of agency.list). */
void chart_agencies(struct text *to, struct casebus_bytes agencies);

#endif
