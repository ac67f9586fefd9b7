/* The table of routes, and finding a row of it. */
#include "routes.h"

#include <string.h>

#define GET(where, function)                                                                   \
    {                                                                                          \
        .path = (where), .run = (function)                                                     \
    }
#define POST(where, function)                                                                  \
    {                                                                                          \
        .path = (where), .run = (function), .post = true                                       \
    }
/* For people who have not signed in yet. */
#define OPEN(where, function)                                                                  \
    {                                                                                          \
        .path = (where), .run = (function), .open = true                                       \
    }
#define FORM(where, function)                                                                  \
    {                                                                                          \
        .path = (where), .run = (function), .post = true, .form = true, .open = true           \
    }
#define DATA(where, function)                                                                  \
    {                                                                                          \
        .path = (where), .run = (function), .file = true                                       \
    }

static const struct route routes[] = {
    GET("", page_home),
    GET("cases", page_cases),
    GET("cases/*", page_case),
    DATA("cases.csv", csv_file),
    GET("offenders", page_offenders),
    GET("sessions", page_sessions),
    GET("sessions/*/*", page_session),
    GET("quarantine", page_quarantine),
    OPEN("static/style.css", static_file),
    OPEN("static/icon.svg", static_file),
    DATA("static/*", static_file),
    OPEN("login", door_login_page),
    FORM("login", door_login),
    OPEN("setup", door_setup_page),
    FORM("setup", door_setup),
    FORM("logout", door_logout),
    GET("api/recent", api_recent),
    GET("api/cases", api_cases),
    GET("api/cases/*", api_case),
    GET("api/offenders", api_offenders),
    GET("api/agencies", api_agencies),
    GET("api/sessions", api_sessions),
    GET("api/sessions/*/*", api_session),
    GET("api/sessions/*/*/cases", api_session_cases),
    GET("api/quarantine", api_quarantine),
    GET("api/status", api_status),
    {.path = "events", .run = events_stream, .stream = true},
    POST("api/sessions/*/*/stop", api_stop),
    POST("api/quarantine/*/accept", api_accept),
    POST("api/quarantine/*/reject", api_reject),
};

/* Segment by segment; "*" stands for one that is not empty. */
static bool matches(const char *path, const struct url *url)
{
    for (unsigned i = 0; i < url->segment_count; i++) {
        const size_t size = strcspn(path, "/");
        const char *const segment = url->segment[i];
        const bool any = size == 1 && *path == '*' && *segment != '\0';
        if (!any &&
            (size == 0 || strlen(segment) != size || memcmp(path, segment, size) != 0)) {
            return false;
        }
        path += size + (path[size] == '/');
    }
    return *path == '\0';
}

const struct route *route_find(const struct url *url, bool post, bool *other)
{
    *other = false;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (matches(routes[i].path, url)) {
            if (routes[i].post == post) {
                return &routes[i];
            }
            *other = true;
        }
    }
    return NULL;
}
