/* The views that can be listened to: their names, and what they ask how often. */
#include "view_names.h"

#include "url.h"

#include <stdio.h>
#include <string.h>

#define RECENT_ROWS 100
#define SESSION_ROWS 50
#define QUARANTINE_ROWS 50
#define LIST_BYTES (4 * 1024 * 1024)
#define CASE_BYTES (1024 * 1024)

static void recent(struct view_name *self, const struct url *url)
{
    (void)url;
    self->query = casebus_query_recent(RECENT_ROWS);
    self->window_ms = 5000;
}

static void sessions(struct view_name *self, const struct url *url)
{
    (void)url;
    self->query = casebus_query_sessions(NULL, "active", VIEW_ACTIVE_ROWS);
}

static void session(struct view_name *self, const struct url *url)
{
    self->query = casebus_query_session_cases(url->segment[1], url->segment[2], SESSION_ROWS);
    self->session = casebus_query_session(url->segment[1], url->segment[2]);
    self->with_session = true;
}

static void one_case(struct view_name *self, const struct url *url)
{
    self->query = casebus_query_case(url->segment[1]);
    self->bytes_max = CASE_BYTES;
}

static void quarantine(struct view_name *self, const struct url *url)
{
    (void)url;
    self->query = casebus_query_quarantine(NULL, QUARANTINE_ROWS);
}

static const struct {
    const char *word;
    unsigned segments;
    void (*make)(struct view_name *self, const struct url *url);
} names[] = {
    {"recent", 1, recent}, {"sessions", 1, sessions},     {"session", 3, session},
    {"case", 2, one_case}, {"quarantine", 1, quarantine},
};

int view_name_read(struct view_name *self, const char *text)
{
    char path[VIEW_NAME_MAX + 2];
    struct url url;
    int rc = CASEBUS_EVALUE;
    if (strlen(text) > VIEW_NAME_MAX || strchr(text, '?') != NULL) {
        return rc;
    }
    *self = (struct view_name){.window_ms = 1000, .bytes_max = LIST_BYTES};
    snprintf(path, sizeof path, "/%s", text);
    if (url_parse(&url, path, URL_TARGET_MAX) == 0 && url.segment_count > 0) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (strcmp(names[i].word, url.segment[0]) == 0 &&
                names[i].segments == url.segment_count) {
                names[i].make(self, &url);
                rc = 0;
            }
        }
    }
    url_free(&url);
    return rc;
}
