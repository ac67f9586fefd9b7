/* The space of the data file, before a commit needs it.
 *
 * Reserved: file space for everything that a commit can write, by fallocate() that keeps the
 * size. A full disk is met there, where nothing has been touched, and not as EIO inside the
 * commit.
 *
 * Written ahead: while commits are small, zeros behind the last page. A page that is written
 * where the file had been written before is all that its sync has to write; in space that is
 * only reserved, or behind the end, the sync writes the file's inode too, or a journal of it,
 * one access after the other, and takes nearly twice as long. A flood has its pages written
 * once: its syncs take their time for the bytes. */
#include "store_private.h"

#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RESERVE_STEP (16ull << 20)
#define RESERVE_LEAST (1ull << 20)  /* beyond what is counted: free list, roots */
#define RESERVE_AGAIN (32ull << 20) /* once there was none: some large batches' */
/* Pages a put may dirty: its leaf, and a split or a branch above; the rest of a path is shared.
 */
#define PAGES_PER_PUT 2
/* At once: what tens of small commits need. */
#define AHEAD_BYTES (256 << 10)
/* A commit that adds more is a flood's; and so much is always there when one begins. */
#define AHEAD_GROWTH (AHEAD_BYTES / 8)

/* --- reserved ---------------------------------------------------------------------------- */

static int reserve(struct store *self, uint64_t more)
{
    return space_reserve(self->env, self->map_bytes, RESERVE_STEP, more, &self->reserved);
}

/* The disk says no here or nowhere: space for all that this commit can write is reserved before
 * LMDB writes its first page. What is still gathered counts without the byte strings of its
 * entries. */
int store_reserve(struct txn *self)
{
    uint64_t bytes = self->put_bytes + overlay_bytes(self->overlay);
    uint64_t count = self->put_count + overlay_count(self->overlay);
    self->store->wanted =
        bytes * 2 + count * PAGES_PER_PUT * self->store->page_size + RESERVE_LEAST;
    return reserve(self->store, self->store->wanted);
}

uint64_t store_room_wanted(const struct store *self)
{
    uint64_t of_map =
        self->map_bytes / 16; /* a small one has no room for several such batches */
    return self->wanted + (of_map < RESERVE_AGAIN ? of_map : RESERVE_AGAIN);
}

int store_has_room(struct store *self)
{
    return reserve(self, store_room_wanted(self));
}

/* --- written ahead ----------------------------------------------------------------------- */

/* A short write is none that failed: the rest comes before the next commit. Nor is one without
 * space, where the file system cannot reserve: the commit may do with pages that are free. */
static int write_zeros(struct store *self, uint64_t from, uint64_t to)
{
    static const char zeros[AHEAD_BYTES];
    ssize_t written;
    while ((written = pwrite(self->data_fd, zeros, to - from, (off_t)from)) < 0 &&
           errno == EINTR) {
    }
    if (written < 0) {
        int rc = lmdb_error(errno);
        return rc == CASEBUS_ENOSPC ? 0 : rc;
    }
    self->written = from + (uint64_t)written;
    return 0;
}

/* No page in use is ever under these zeros. This transaction has LMDB's lock for writers and
 * has put nothing yet, so that the newest commit is the one it began from (where it is not,
 * nothing is written), and a page behind the last one of that commit is nobody's: older
 * commits, which readers may see and a start may find after a failure of power, had no more
 * pages, for LMDB never takes back the last page it has given out. Pages of this transaction
 * lie there later, and are written later. Nothing behind the reserve is written, so that it
 * takes no new space of the disk. */
int store_write_ahead(struct txn *txn)
{
    struct store *self = txn->store;
    MDB_envinfo info;
    mdb_env_info(self->env, &info);
    if (info.me_last_txnid + 1 != mdb_txn_id(txn->mdb)) {
        return 0;
    }
    const uint64_t used = (info.me_last_pgno + 1) * self->page_size;
    const uint64_t growth = self->used > 0 ? used - self->used : 0;
    const uint64_t from = used > self->written ? used : self->written;
    const uint64_t to =
        used + AHEAD_BYTES < self->reserved ? used + AHEAD_BYTES : self->reserved;
    self->used = used;
    if (growth == 0 || growth > AHEAD_GROWTH || from >= used + AHEAD_GROWTH || from >= to) {
        return 0;
    }
    return write_zeros(self, from, to);
}
