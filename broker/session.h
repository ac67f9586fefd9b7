/* What a session looks like in events and replies. */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H

#include "entries.h"

void session_pack(msgpack_packer *pk, struct casebus_bytes agency,
                  struct casebus_bytes session_id, const struct session_entry *session);

#endif
