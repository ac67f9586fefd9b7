/* Redis Streams with appendfsync always: each XADD is on the disk before it is answered. One
 * stream, writers with up to WINDOW commands on their way, readers that block in XREAD. */
#include "round.h"
#include "sample.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 1024

static pid_t serve(struct round *round)
{
    char port[16];
    int number = round_free_port();
    snprintf(port, sizeof port, "%d", number);
    snprintf(round->ingest, sizeof round->ingest, "%d", number);
    char *const argv[] = {"redis-server",
                          "--bind",
                          "127.0.0.1",
                          "--port",
                          port,
                          "--dir",
                          (char *)round->folder,
                          "--save",
                          "",
                          "--appendonly",
                          "yes",
                          "--appendfsync",
                          "always",
                          NULL};
    pid_t pid = round_spawn(argv, NULL);
    round_await_port(number);
    return pid;
}

static redisContext *connect_to(const struct round *round)
{
    redisContext *r = redisConnect("127.0.0.1", atoi(round->ingest));
    if (!r || r->err) {
        round_fail("redis", r ? r->errstr : "no memory");
    }
    return r;
}

static void check(const redisContext *r, int rc, const redisReply *reply)
{
    if (rc != REDIS_OK || (reply && reply->type == REDIS_REPLY_ERROR)) {
        round_fail("redis", reply ? reply->str : r->errstr);
    }
}

static void take_replies(redisContext *r, unsigned *under_way, unsigned down_to)
{
    for (; *under_way > down_to; --*under_way) {
        redisReply *reply = NULL;
        check(r, redisGetReply(r, (void **)&reply), reply);
        freeReplyObject(reply);
    }
}

/* Sends what is buffered, and takes the replies that are there, waiting for none. */
static void send_now(redisContext *r, unsigned *under_way)
{
    struct pollfd readable = {.fd = r->fd, .events = POLLIN};
    redisReply *reply = NULL;
    for (int done = 0; !done;) {
        check(r, redisBufferWrite(r, &done), NULL);
    }
    if (poll(&readable, 1, 0) == 1) {
        check(r, redisBufferRead(r), NULL);
    }
    while (redisGetReplyFromReader(r, (void **)&reply) == REDIS_OK && reply) {
        check(r, REDIS_OK, reply);
        freeReplyObject(reply);
        reply = NULL;
        --*under_way;
    }
}

static void add(redisContext *r, const char *topic, const char *body, size_t size)
{
    const char *argv[] = {"XADD", "cases", "*", "t", topic, "b", body};
    const size_t sizes[] = {4, 5, 1, 1, strlen(topic), 1, size};
    redisAppendCommandArgv(r, 7, argv, sizes);
}

static void publish(const struct round *round, unsigned index)
{
    redisContext *r = connect_to(round);
    char topic[64], body[REPORT_SIZE_MAX] = {0};
    unsigned under_way = 0;
    round_publish();
    for (unsigned n = 0; n < round_share(round, index); n++) {
        round_pace(round, n);
        const uint64_t now = round->rate > 0 ? round_clock() : 0;
        memcpy(body, &now, sizeof now);
        snprintf(topic, sizeof topic, "case:created:hse:%u-%08u:", index, n);
        add(r, topic, body, round->report_size);
        under_way++;
        if (round->rate > 0) {
            send_now(r, &under_way);
        } else if (under_way == WINDOW) {
            take_replies(r, &under_way, WINDOW * 3 / 4);
        }
    }
    take_replies(r, &under_way, 0);
    redisFree(r);
}

/* Counts what a reply of XREAD holds; false: that was all. */
static bool take_entries(const struct round *round, unsigned index, const redisReply *reply,
                         char *last, size_t last_size)
{
    bool more = true;
    const redisReply *entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements && more; i++) {
        uint64_t sent_at;
        const redisReply *entry = entries->element[i];
        memcpy(&sent_at, entry->element[1]->element[3]->str, sizeof sent_at);
        more = round_received(round, index, sent_at);
        snprintf(last, last_size, "%s", entry->element[0]->str);
    }
    return more;
}

static void watch(const struct round *round, unsigned index)
{
    redisContext *r = connect_to(round);
    char last[64] = "0-0";
    bool more = true;
    round_watch();
    while (more) {
        redisReply *reply =
            redisCommand(r, "XREAD COUNT 1000 BLOCK 1000 STREAMS cases %s", last);
        if (!reply) {
            round_fail("redis", r->errstr);
        }
        more = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1
                   ? take_entries(round, index, reply, last, sizeof last)
                   : round_waits(index);
        freeReplyObject(reply);
    }
    redisFree(r);
}

const struct peer peer_redis = {.name = "redis-streams",
                                .promise = "fsynced (appendfsync always)",
                                .serve = serve,
                                .publish = publish,
                                .watch = watch};
