/* What there is under which address. Each function runs a request's next step (request.h). */
#ifndef CASEBUS_DASHBOARD_ROUTES_H
#define CASEBUS_DASHBOARD_ROUTES_H

#include "request.h"

/* page_home.c, page_case.c, page_lists.c */
void page_home(struct request *request);
void page_cases(struct request *request);
void page_case(struct request *request);
void page_offenders(struct request *request);
void page_sessions(struct request *request);
void page_session(struct request *request);
void page_quarantine(struct request *request);

/* api.c */
void api_recent(struct request *request);
void api_cases(struct request *request);
void api_case(struct request *request);
void api_offenders(struct request *request);
void api_agencies(struct request *request);
void api_sessions(struct request *request);
void api_session(struct request *request);
void api_session_cases(struct request *request);
void api_quarantine(struct request *request);
void api_status(struct request *request);
void api_stop(struct request *request);
void api_accept(struct request *request);
void api_reject(struct request *request);

/* csv_file.c, streams.c */
void csv_file(struct request *request);
void events_stream(struct request *request);

/* door.c */
void door_login_page(struct request *request);
void door_setup_page(struct request *request);
void door_login(struct request *request);
void door_setup(struct request *request);
void door_logout(struct request *request);

/* static.c */
void static_file(struct request *request);

/* queries.c: requests to the broker that pages and JSON have in common */
struct casebus_call *call_cases(struct request *request); /* without its page */
bool ask_cases(struct request *request, unsigned slot);
void ask_case(struct request *request, unsigned slot, const char *id);
bool ask_history(struct request *request, unsigned slot, const char *id); /* a page of it */
void ask_offender(struct request *request, unsigned slot);
/* A page of those of the status that was asked for; where none was, of this one (NULL: all).
 * False after an answer that says what is wrong. */
bool ask_sessions(struct request *request, unsigned slot, const char *status);
/* Without turning pages. */
void ask_newest_sessions(struct request *request, unsigned slot, const char *status,
                         unsigned limit);
void ask_session(struct request *request, unsigned slot, const char *agency, const char *id);
void ask_session_cases(struct request *request, unsigned slot, const char *agency,
                       const char *id, unsigned limit);
void ask_recent(struct request *request, unsigned slot, unsigned limit);
void ask_quarantine(struct request *request, unsigned slot);
void ask_simple(struct request *request, unsigned slot, enum casebus_op op);

#endif
