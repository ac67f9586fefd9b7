/* Charts as inline SVG, each with its numbers in a table for those who cannot or would not look. */
#ifndef CASEBUS_DASHBOARD_CHART_H
#define CASEBUS_DASHBOARD_CHART_H

#include "../text.h"

/* Events a minute by kind: broker.status' `minutes`. */
void chart_minutes(struct text *out, struct casebus_bytes minutes);
/* Cases by agency: the rows of agency.list. */
void chart_agencies(struct text *out, struct casebus_bytes agencies);

#endif
