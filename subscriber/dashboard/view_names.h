/* The views that can be listened to, by name. */
#ifndef CASEBUS_DASHBOARD_VIEW_NAMES_H
#define CASEBUS_DASHBOARD_VIEW_NAMES_H

#include <casebus/view.h>

#define VIEW_NAME_MAX 512
#define VIEW_ACTIVE_ROWS 100 /* of "sessions"; an actor may have more */

struct view_name {
    struct casebus_query query;
    unsigned window_ms;
    size_t bytes_max;
    bool with_session; /* the session itself is told of too */
    struct casebus_query session;
};

/* "recent", "sessions", "quarantine", "session/AGENCY/ID", "case/ID", ids percent-encoded. 0,
 * or CASEBUS_EVALUE: there is no such view. */
int view_name_read(struct view_name *self, const char *text);

#endif
