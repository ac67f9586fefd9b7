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
    char key[BARE_KEY_SIZE + 1], record[BARE_RECORD_SIZE] = {0};
    for (unsigned n = 0; n < cases; n++) {
        if (!txn) {
            check("begin", mdb_txn_begin(env, NULL, 0, &txn));
        }
        snprintf(key, sizeof key, BARE_KEY, n);
        MDB_val k = {BARE_KEY_SIZE, key}, v = {sizeof record, record};
        check("put", mdb_put(txn, dbi, &k, &v, MDB_APPEND));
        if (n % 10000 == 9999 || n == cases - 1) {
            check("commit", mdb_txn_commit(txn));
            txn = NULL;
        }
    }
}

static void answer(void *router, MDB_txn *txn, MDB_dbi dbi)
{
    static char reply[ASK_MANY * BARE_RECORD_SIZE];
    char envelope[256], keys[ASK_MANY * BARE_KEY_SIZE];
    size_t size = 0;
    int who = zmq_recv(router, envelope, sizeof envelope, 0);
    int asked = zmq_recv(router, keys, sizeof keys, 0);
    if (who < 0 || asked < 0) {
        return;
    }
    for (int at = 0; at + BARE_KEY_SIZE <= asked; at += BARE_KEY_SIZE) {
        MDB_val k = {BARE_KEY_SIZE, keys + at}, v;
        int rc = mdb_get(txn, dbi, &k, &v);
        if (rc != MDB_NOTFOUND) {
            check("get", rc);
            memcpy(reply + size, v.mv_data, v.mv_size);
            size += v.mv_size;
        }
    }
    zmq_send(router, envelope, (size_t)who, ZMQ_SNDMORE);
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
            zmq_send(rep, frame, BARE_RECORD_SIZE, 0);
        }
    }
}
