/* /cases.csv: the filtered list as one stream, a page of it in memory at a time.
 *
 * The first page is asked for as any other request's; when it is there the answer begins, and
 * each further page is asked for when what was there has been read; where the broker has no
 * time for it, or the person is over a limit, again after a while. A page that does not come at
 * all breaks the transfer off, so that half a list is never taken for the whole. */
#include "routes.h"

#include "csv.h"
#include "lists.h"
#include "server.h"

#include <string.h>

#define PAGE_ROWS 500
#define BLOCK (16 * 1024)

/* The page behind the one that is there; the first where none is. */
static void ask_page(struct request *request)
{
    const struct casebus_bytes next = casebus_as_bin(request_result(request, 0, "next"));
    const uint64_t as_of = casebus_as_uint(request_result(request, 0, "as_of"), 0);
    struct casebus_call *const call = call_cases(request);
    casebus_call_uint(call, "limit", PAGE_ROWS);
    if (next.data != NULL) {
        casebus_call_bin(call, "next", next);
    }
    if (as_of != 0) {
        casebus_call_uint(call, "as_of", as_of);
    }
    request_fetch(request, 0, call);
}

static void add_rows(struct request *request)
{
    struct list list = list_of(request_result(request, 0, "rows"));
    struct casebus_bytes row = request_result(request, 0, "case");
    if (row.data != NULL) {
        csv_add_record(&request->body, row);
    }
    while (list_next(&list, &row)) {
        csv_add_record(&request->body, row);
    }
}

/* A further page is here, or is not. */
static void take_page(struct request *request)
{
    text_clear(&request->body);
    request->body_done = 0;
    add_rows(request);
    server_wake(request);
}

static bool is_last(const struct request *request)
{
    return casebus_as_bin(request_result(request, 0, "next")).data == NULL;
}

static ssize_t give(void *arg, uint64_t position, char *to, size_t room)
{
    struct request *const request = arg;
    const size_t left = request->body.size - request->body_done;
    const size_t count = left < room ? left : room;
    (void)position;
    if (request->body.failed || request->fetch[0].error != 0 || request->dashboard->ending ||
        !people_has(request->dashboard->people, request->person.login)) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (count > 0) {
        memcpy(to, text_get(&request->body) + request->body_done, count);
        request->body_done += count;
        return (ssize_t)count;
    }
    if (is_last(request)) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    ask_page(request);
    if (request->waiting == 0) {
        return MHD_CONTENT_READER_END_WITH_ERROR; /* not even asked */
    }
    server_sleep(request);
    return 0;
}

static void begin(struct request *request)
{
    csv_add_header(&request->body);
    add_rows(request);
    request->refilled = take_page;
    request->response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, give, request, NULL);
    if (request->response == NULL) {
        request_refuse_text(request, 503, "no_memory", "out of memory");
        return;
    }
    MHD_add_response_header(request->response, "Content-Disposition",
                            "attachment; filename=\"cases.csv\"");
    request_answer(request, 200, "text/csv; charset=utf-8");
}

void csv_file(struct request *request)
{
    const char *const id = request_parameter(request, "id");
    if (request->step == 0 && id != NULL) {
        ask_case(request, 0, id);
    } else if (request->step == 0) {
        ask_page(request);
    } else if (request->fetch[0].error != 0) {
        request_refuse_fetch(request, 0);
    } else {
        begin(request);
    }
}
