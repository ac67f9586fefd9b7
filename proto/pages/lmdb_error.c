/* The one place where LMDB's codes become ours; see lmdb_error.h. */
#include "lmdb_error.h"

#include <casebus/errors.h>
#include <errno.h>
#include <lmdb.h>

int lmdb_error(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return CASEBUS_ENOTFOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return CASEBUS_ENOSPC;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return CASEBUS_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return CASEBUS_ESCHEMA;
    case ENOMEM:
        return CASEBUS_ENOMEM;
    case MDB_PANIC:
    case EIO:
        return CASEBUS_EIO;
    default:
        return rc > 0 ? CASEBUS_EIO : CASEBUS_EINTERNAL;
    }
}
