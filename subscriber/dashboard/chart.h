/* Charts as inline SVG, each with its numbers in a table for those who cannot or would not
 * look. */
#ifndef CASEBUS_DASHBOARD_CHART_H
#define CASEBUS_DASHBOARD_CHART_H

#include "template.h"

/* charts.html, filled: events a minute by kind (broker.status' `minutes`), and cases by agency
 * (the rows of agency.list). */
void charts_add(struct text *out, struct casebus_bytes minutes, struct casebus_bytes agencies);

#endif
