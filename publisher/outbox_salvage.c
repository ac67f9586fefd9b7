/* An outbox whose pages are damaged, by a disk or whoever wrote into its file. LMDB believes
 * what a page says, and ends the process where it makes no sense: so the pages are looked at
 * first, each time an outbox is opened.
 *
 * Where one is damaged, whatever the others hold goes into a new file, which takes the place of
 * the old one in one step; that is kept beside it. A report that was on a damaged page is
 * missing then, and found missing when its turn comes; but where the state is lost too, what
 * stood before the first and behind the last report is missing without a trace. Whoever opens
 * it is told that it was damaged. One of which nothing can be read is left as it is. */
#include "outbox_private.h"

#include "pages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct salvage {
    struct outbox to; /* the new file: its environment and trees */
    MDB_txn *txn;     /* NULL: only looking */
    bool damaged, has_any;
    int error;
};

static void note_fault(void *arg, const char *what)
{
    struct salvage *self = arg;
    (void)what;
    self->damaged = true;
}

static void keep_entry(void *arg, MDB_val tree, MDB_val key, MDB_val value)
{
    struct salvage *self = arg;
    const struct {
        const char *name;
        size_t key_size;
        MDB_dbi dbi;
    } trees[] = {{"reports", 8, self->to.reports},
                 {"refusals", 8, self->to.refusals},
                 {"state", 5, self->to.states}};
    for (size_t i = 0; i < sizeof trees / sizeof trees[0] && !self->error; i++) {
        if (tree.mv_size == strlen(trees[i].name) && key.mv_size == trees[i].key_size &&
            memcmp(tree.mv_data, trees[i].name, tree.mv_size) == 0) {
            self->has_any = true;
            self->error = outbox_error(mdb_put(self->txn, trees[i].dbi, &key, &value, 0));
        }
    }
}

static int copy(struct outbox *self, struct salvage *salvage)
{
    const struct pages_watcher watcher = {note_fault, keep_entry, salvage};
    int error = outbox_open_env(&salvage->to);
    error = error ? error : outbox_open_trees(&salvage->to);
    error = error ? error : outbox_begin(&salvage->to, &salvage->txn);
    if (error) {
        return error;
    }
    error = outbox_error(pages_check(self->env, &watcher));
    error = error ? error : salvage->error;
    if (!error && !salvage->has_any) {
        error = CASEBUS_ECORRUPT;
    }
    if (error) {
        mdb_txn_abort(salvage->txn);
        return error;
    }
    return outbox_error(mdb_txn_commit(salvage->txn));
}

/* Paths of the data files, and of the folder the new one is made in. */
struct places {
    char data[4096], damaged[4096], folder[4096], new_data[4096], new_lock[4096];
};

static void find_places(const char *folder, struct places *at)
{
    snprintf(at->data, sizeof at->data, "%s/data.mdb", folder);
    snprintf(at->damaged, sizeof at->damaged, "%s/damaged.mdb", folder);
    snprintf(at->folder, sizeof at->folder, "%s/salvage", folder);
    snprintf(at->new_data, sizeof at->new_data, "%s/salvage/data.mdb", folder);
    snprintf(at->new_lock, sizeof at->new_lock, "%s/salvage/lock.mdb", folder);
}

static void clear(const struct places *at)
{
    (void)unlink(at->new_data);
    (void)unlink(at->new_lock);
    (void)rmdir(at->folder);
}

/* At no time is the folder without data.mdb: a fresh outbox would be made. */
static int exchange(const struct places *at)
{
    if ((unlink(at->damaged) < 0 && errno != ENOENT) || link(at->data, at->damaged) < 0 ||
        rename(at->new_data, at->data) < 0) {
        return outbox_error(errno);
    }
    return 0;
}

static int salvage_into(struct outbox *self, const struct places *at, struct salvage *salvage)
{
    clear(at); /* what an earlier attempt left */
    if (mkdir(at->folder, 0700) < 0) {
        return outbox_error(errno);
    }
    salvage->to = (struct outbox){.options = self->options};
    salvage->to.options.folder = at->folder;
    int error = copy(self, salvage);
    mdb_env_close(salvage->to.env);
    error = error ? error : exchange(at);
    clear(at);
    return error;
}

int outbox_check_pages(struct outbox *self)
{
    struct salvage salvage = {.damaged = false};
    const struct pages_watcher watcher = {.fault = note_fault, .arg = &salvage};
    struct places at;
    MDB_envinfo info;
    mdb_env_info(self->env, &info);
    if (info.me_last_txnid == 0) {
        return 0; /* nothing has been written */
    }
    int error = outbox_error(pages_check(self->env, &watcher));
    if (error || !salvage.damaged) {
        return error;
    }
    find_places(self->options.folder, &at);
    error = salvage_into(self, &at, &salvage);
    if (!error) {
        mdb_env_close(self->env);
        self->env = NULL;
        self->reserved = 0;
        self->salvaged = true;
        error = outbox_open_env(self);
    }
    return error;
}
