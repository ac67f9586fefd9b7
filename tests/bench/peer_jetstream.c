/* NATS JetStream with file storage: acknowledged once written, not fsynced. Publishers keep up
 * to WINDOW acknowledgements outstanding, watchers are ordered consumers. */
#include "round.h"
#include "sample.h"

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW 4000
#define PATIENCE_MS 60000

static void check(const char *what, natsStatus status)
{
    if (status != NATS_OK) {
        round_fail(what, natsStatus_GetText(status));
    }
}

static natsConnection *connect_to(const struct round *round, bool at_once)
{
    natsOptions *options;
    natsConnection *connection;
    natsOptions_Create(&options);
    natsOptions_SetURL(options, round->ingest);
    natsOptions_SetSendAsap(options, at_once);
    check("nats", natsConnection_Connect(&connection, options));
    natsOptions_Destroy(options);
    return connection;
}

static jsCtx *stream_of(natsConnection *connection)
{
    jsCtx *stream;
    jsOptions options;
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = WINDOW;
    options.PublishAsync.StallWait = PATIENCE_MS;
    check("jetstream", natsConnection_JetStream(&stream, connection, &options));
    return stream;
}

static void add_stream(const struct round *round)
{
    natsConnection *connection = connect_to(round, true);
    jsCtx *stream = stream_of(connection);
    jsStreamConfig config;
    jsErrCode code = 0;
    const char *subjects[] = {"case.>"};
    jsStreamConfig_Init(&config);
    config.Name = "CASES";
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    check("stream", js_AddStream(NULL, stream, &config, NULL, &code));
    jsCtx_Destroy(stream);
    natsConnection_Destroy(connection);
}

static pid_t serve(struct round *round)
{
    char port[16];
    int number = round_free_port();
    snprintf(port, sizeof port, "%d", number);
    snprintf(round->ingest, sizeof round->ingest, "nats://127.0.0.1:%d", number);
    char *const argv[] = {"nats-server",         "-a", "127.0.0.1", "-p", port, "-js", "-sd",
                          (char *)round->folder, "-l", "/dev/null", NULL};
    pid_t pid = round_spawn(argv, NULL);
    round_await_port(number);
    pid_t setup = fork(); /* its threads must not be there when the others are made */
    if (setup == 0) {
        add_stream(round);
        _exit(0);
    }
    int status;
    if (waitpid(setup, &status, 0) != setup || status != 0) {
        round_fail("jetstream", "the stream was not made");
    }
    return pid;
}

static void publish(const struct round *round, unsigned index)
{
    natsConnection *connection = connect_to(round, round->rate > 0);
    jsCtx *stream = stream_of(connection);
    char subject[64], body[REPORT_SIZE_MAX] = {0};
    jsPubOptions complete;
    jsPubOptions_Init(&complete);
    complete.MaxWait = PATIENCE_MS;
    round_publish();
    for (unsigned n = 0; n < round_share(round, index); n++) {
        round_pace(round, n);
        const uint64_t now = round->rate > 0 ? round_clock() : 0;
        memcpy(body, &now, sizeof now);
        snprintf(subject, sizeof subject, "case.created.hse.%u-%08u", index, n);
        check("publish", js_PublishAsync(stream, subject, body, (int)round->report_size, NULL));
    }
    check("publish", js_PublishAsyncComplete(stream, &complete));
    jsCtx_Destroy(stream);
    natsConnection_Destroy(connection);
}

static void watch(const struct round *round, unsigned index)
{
    natsConnection *connection = connect_to(round, true);
    jsCtx *stream = stream_of(connection);
    natsSubscription *subscription;
    jsSubOptions options;
    jsErrCode code = 0;
    bool more = true;
    jsSubOptions_Init(&options);
    options.Ordered = true;
    check("subscribe",
          js_SubscribeSync(&subscription, stream, "case.created.>", NULL, &options, &code));
    natsSubscription_SetPendingLimits(subscription, -1, -1);
    round_watch();
    while (more) {
        natsMsg *message;
        natsStatus status = natsSubscription_NextMsg(&message, subscription, 1000);
        if (status == NATS_TIMEOUT) {
            more = round_waits(index);
            continue;
        }
        check("next", status);
        uint64_t sent_at;
        memcpy(&sent_at, natsMsg_GetData(message), sizeof sent_at);
        natsMsg_Destroy(message);
        more = round_received(round, index, sent_at);
    }
    natsSubscription_Destroy(subscription);
    jsCtx_Destroy(stream);
    natsConnection_Destroy(connection);
}

const struct peer peer_jetstream = {.name = "jetstream",
                                    .promise = "acknowledged, not fsynced",
                                    .serve = serve,
                                    .publish = publish,
                                    .watch = watch};
