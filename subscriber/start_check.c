/* What a command line names and a broker may not have.
 *
 * A view of an audience that is not there would wait for ever, and a reader of events would be
 * told only when it asks the log. Here that is one question at the start. */
#include "start_check.h"

#include <casebus/errors.h>
#include <stdio.h>

#define PATIENCE_MS 1500

struct question {
    struct casebus_client *client;
    struct casebus_call *call;
    struct casebus_reply reply; /* borrowed from the client */
};

static bool question_open(struct question *self, const struct casebus_client_options *broker,
                          const char *audience)
{
    *self = (struct question){.client = NULL};
    return casebus_client_new(&self->client, *broker) == 0 &&
           casebus_call_new(&self->call) == 0 &&
           casebus_call_audience(self->call, audience) == 0;
}

/* Asks the question: 0, or the broker's refusal; 0 also where no answer comes. */
static int ask(struct question *self)
{
    casebus_call_send(self->call, self->client, &self->reply, PATIENCE_MS);
    return self->reply.error;
}

static void question_close(struct question *self)
{
    casebus_call_destroy(&self->call);
    casebus_client_destroy(&self->client);
}

bool start_check_audience(const struct casebus_client_options *broker, const char *audience)
{
    struct question question;
    bool good = true;
    if (audience == NULL) {
        return true;
    }
    if (question_open(&question, broker, audience)) {
        casebus_call_begin(question.call, CASEBUS_OP_HEADS);
        good = ask(&question) == 0 || !casebus_bytes_is(question.reply.error_field, "audience");
    }
    question_close(&question);
    return good;
}

bool start_check_session(const struct casebus_client_options *broker, const char *audience,
                         struct casebus_bytes agency, struct casebus_bytes session_id)
{
    struct question question;
    bool good = true;
    if (question_open(&question, broker, audience)) {
        casebus_call_begin(question.call, CASEBUS_OP_SESSION_GET);
        casebus_call_str(question.call, "agency", agency);
        casebus_call_str(question.call, "session_id", session_id);
        good = ask(&question) != CASEBUS_ENOTFOUND;
    }
    question_close(&question);
    return good;
}

void start_check_say_waiting(const char *program, const char *fanout, bool keyed)
{
    fprintf(stderr, "%s: waiting for a broker at %s%s\n", program, fanout,
            keyed ? ", or for one that takes our key there; its log says whom it refused" : "");
}
