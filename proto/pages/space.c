/* Allocating blocks behind the pages in use; see space.h. */
#include "space.h"

#include "lmdb_error.h"

#include <casebus/errors.h>
#include <errno.h>
#include <fcntl.h>

static int allocate(MDB_env *env, uint64_t to, uint64_t *reserved)
{
    int fd;
    mdb_env_get_fd(env, &fd);
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)to) < 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS) { /* a file system that cannot: then the commit itself tells */
        return lmdb_error(errno);
    }
    *reserved = to;
    return 0;
}

int space_reserve(MDB_env *env, uint64_t map_bytes, uint64_t step, uint64_t more,
                  uint64_t *reserved)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(env, &info);
    mdb_env_stat(env, &stat);
    uint64_t need = (info.me_last_pgno + 1) * stat.ms_psize + more;
    if (need > map_bytes) {
        return CASEBUS_ENOSPC;
    }
    if (need <= *reserved) {
        return 0;
    }
    uint64_t stepped = (need / step + 1) * step;
    int rc = allocate(env, stepped < map_bytes ? stepped : map_bytes, reserved);
    return rc == CASEBUS_ENOSPC ? allocate(env, need, reserved) : rc;
}
