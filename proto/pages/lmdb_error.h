/* LMDB's codes, and the system's that it gives back, as ours. */
#ifndef PROTO_LMDB_ERROR_H
#define PROTO_LMDB_ERROR_H

/* 0, or a code of casebus/errors.h; CASEBUS_EINTERNAL: LMDB was not used as it has to be. */
int lmdb_error(int rc);

#endif
