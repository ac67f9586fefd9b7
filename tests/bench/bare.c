/* The least that could answer; see bare.h. */
#include "bare.h"

#include "ask.h"
#include "round.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static void check(const char *what, int rc)
{
    if (rc != 0) {
        round_fail(what, mdb_strerror(rc));
    }
}

static void fill_bare(MDB_env *env, MDB_dbi dbi, unsigned cases)
{
    MDB_txn *txn = NULL;
    char key[32], record[BARE_RECORD_SIZE] = {0};
    for (unsigned n = 0; n < cases; n++) {
        if (!txn) {
            check("begin", mdb_txn_begin(env, NULL, 0, &txn));
        }
        snprintf(key, sizeof key, ASK_ID, n);
        MDB_val k = {ASK_ID_SIZE, key}, v = {sizeof record, record};
        check("put", mdb_put(txn, dbi, &k, &v, MDB_APPEND));
        if (n % 10000 == 9999 || n == cases - 1) {
            check("commit", mdb_txn_commit(txn));
            txn = NULL;
        }
    }
}

/* Looks up the ids at the end of the request: one, or as many as get_many asks for. */
static size_t look_up(MDB_txn *txn, MDB_dbi dbi, char *end, unsigned ids, char *reply)
{
    size_t size = ids == 1 ? BARE_ONE_REST : BARE_MANY_REST;
    for (; ids > 0; ids--) {
        MDB_val k = {ASK_ID_SIZE, end - ids * ASK_ID_STRIDE + 1}, v;
        int rc = mdb_get(txn, dbi, &k, &v);
        if (rc != MDB_NOTFOUND) {
            check("get", rc);
            memcpy(reply + size, v.mv_data, v.mv_size);
            size += v.mv_size;
        }
    }
    return size;
}

static void answer(void *router, MDB_txn *txn, MDB_dbi dbi)
{
    static char reply[BARE_MANY_REST + ASK_MANY * BARE_RECORD_SIZE];
    char who[256], request[1024];
    int who_size = zmq_recv(router, who, sizeof who, 0);
    int none = zmq_recv(router, request, sizeof request, 0);
    int asked = zmq_recv(router, request, sizeof request, 0);
    if (who_size < 0 || none != 0 || asked < ASK_ID_STRIDE) {
        round_fail("router", "a request is none");
    }
    unsigned ids = asked < ASK_MANY * ASK_ID_STRIDE ? 1 : ASK_MANY;
    size_t size = look_up(txn, dbi, request + asked, ids, reply);
    zmq_send(router, who, (size_t)who_size, ZMQ_SNDMORE);
    zmq_send(router, "", 0, ZMQ_SNDMORE);
    zmq_send(router, reply, size, 0);
}

void bare_router(const char *folder, unsigned cases, const char *endpoint)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    check("env", mdb_env_create(&env));
    check("size", mdb_env_set_mapsize(env, (size_t)64 << 30));
    check("open", mdb_env_open(env, folder, MDB_NOSYNC, 0600));
    check("begin", mdb_txn_begin(env, NULL, 0, &txn));
    check("dbi", mdb_dbi_open(txn, NULL, 0, &dbi));
    check("commit", mdb_txn_commit(txn));
    fill_bare(env, dbi, cases);
    check("sync", mdb_env_sync(env, 1)); /* or the disk is busy while others are measured */
    check("begin", mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
    void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
    if (zmq_bind(router, endpoint) != 0) {
        round_fail("router", zmq_strerror(errno));
    }
    for (;;) {
        mdb_txn_reset(txn); /* a snapshot for each request, as casebus takes one */
        check("renew", mdb_txn_renew(txn));
        answer(router, txn, dbi);
    }
}

void bare_echo(const char *endpoint)
{
    char frame[4096];
    void *context = zmq_ctx_new(), *rep = zmq_socket(context, ZMQ_REP);
    if (zmq_bind(rep, endpoint) != 0) {
        round_fail("echo", zmq_strerror(errno));
    }
    for (;;) {
        int size = zmq_recv(rep, frame, sizeof frame, 0);
        if (size >= 0) {
            zmq_send(rep, frame, BARE_ONE_REST + BARE_RECORD_SIZE, 0);
        }
    }
}
