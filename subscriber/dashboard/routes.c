/* The table of routes, and finding a row of it. */
#include "routes.h"

#include <string.h>

#define GET(where, function)                                                                   \
    {                                                                                          \
        .path = (where), .run = (function)                                                     \
    }
/* Of the API: a misspelt argument is an error there, where a page would show all the same. */
#define API(where, function, arguments)                                                        \
    {                                                                                          \
        .path = (where), .run = (function), .takes = (arguments)                               \
    }
#define POST(where, function)                                                                  \
    {                                                                                          \
        .path = (where), .run = (function), .post = true, .takes = ""                          \
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

#define CASES "agency from to offender order session id" /* all of them */
#define A_PAGE " limit next as_of"

static const struct route routes[] = {
    GET("", page_home),
    GET("cases", page_cases),
    GET("cases/*", page_case),
    {.path = "cases.csv", .run = csv_file, .file = true, .takes = CASES},
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
    API("api/recent", api_recent, "limit next as_of"),
    API("api/cases", api_cases, CASES A_PAGE),
    API("api/cases/*", api_case, ""),
    API("api/offenders", api_offenders, "agency name postcode limit next as_of"),
    API("api/agencies", api_agencies, ""),
    API("api/sessions", api_sessions, "agency status limit next as_of"),
    API("api/sessions/*/*", api_session, ""),
    API("api/sessions/*/*/cases", api_session_cases, "limit next as_of"),
    API("api/quarantine", api_quarantine, "agency limit next as_of"),
    API("api/status", api_status, ""),
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

const struct route *route_find(const struct url *url, bool post)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (routes[i].post == post && matches(routes[i].path, url)) {
            return &routes[i];
        }
    }
    return NULL;
}

const char *route_methods(const struct url *url)
{
    const struct route *const get = route_find(url, false);
    const bool post = route_find(url, true) != NULL;
    if (get == NULL) {
        return post ? "POST" : NULL;
    }
    return get->stream ? "GET" : post ? "GET, HEAD, POST" : "GET, HEAD";
}

/* --- its arguments ------------------------------------------------------------------------ */

static bool is_taken(const char *takes, const char *name)
{
    const size_t size = strlen(name);
    for (const char *at = takes; *at != '\0'; at += strspn(at, " ")) {
        const size_t word = strcspn(at, " ");
        if (word == size && memcmp(at, name, size) == 0) {
            return true;
        }
        at += word;
    }
    return false;
}

/* Was the n-th argument given before? */
static bool is_given_before(const struct url *url, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(url->parameter[i].name, url->parameter[n].name) == 0) {
            return true;
        }
    }
    return false;
}

const char *route_wrong_argument(const struct route *route, const struct url *url,
                                 struct text *why)
{
    for (unsigned i = 0; route->takes != NULL && i < url->parameter_count; i++) {
        const char *const name = url->parameter[i].name;
        if (!is_taken(route->takes, name)) {
            text_format(why, "there is no such argument here; there %s%s",
                        *route->takes != '\0' ? "are " : "is none", route->takes);
            return name;
        }
        if (is_given_before(url, i)) {
            text_add(why, "is given twice");
            return name;
        }
    }
    return NULL;
}
