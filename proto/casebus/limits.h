/* The limits of protocol version 1. Constants: a sender checks them before a report gets its
 * number, a receiver before it decodes. PROTOCOL.md section "Limits" lists them and a test
 * compares. Sizes in bytes unless the name says otherwise, times in milliseconds. */
#ifndef CASEBUS_LIMITS_H
#define CASEBUS_LIMITS_H

/* clang-format off */
#define CASEBUS_PROTOCOL_VERSION 1

#define CASEBUS_REPORT_MAX (512 * 1024)   /* body of a report */
#define CASEBUS_RECORD_MAX (256 * 1024)   /* a case record after merging */
#define CASEBUS_SOURCE_MAX 4096           /* `source` of a case */
#define CASEBUS_FRAME_MAX (1024 * 1024)   /* ZMQ_MAXMSGSIZE on ingest; above, the peer is cut off */
#define CASEBUS_SUBSCRIPTION_MAX 1024     /* a subscription; above, the peer is cut off */
#define CASEBUS_REQUEST_MAX (640 * 1024)  /* body of a request */
#define CASEBUS_REPLY_MAX (1024 * 1024)   /* a reply stops taking rows past this */
#define CASEBUS_FULL_EVENT_MAX (16 * 1024) /* a larger event is sent in its thin form */
#define CASEBUS_EVENT_BUNDLE_MAX (32 * 1024) /* a bundle of events */
#define CASEBUS_BUNDLES_WAITING (16 * 1024 * 1024) /* bytes of them that wait for readers; above, 16,384 each */
#define CASEBUS_REPORT_BUNDLE_MAX (32 * 1024) /* a bundle of reports; a larger one goes alone */
#define CASEBUS_BUNDLED_MAX 1024          /* reports in one */

#define CASEBUS_TOPIC_MAX 320             /* a whole topic */
#define CASEBUS_SEGMENT_MAX 128           /* one segment of a topic */
#define CASEBUS_AGENCY_MAX 32             /* an agency's code */
#define CASEBUS_CASE_ID_MAX (CASEBUS_AGENCY_MAX + 1 + CASEBUS_SEGMENT_MAX)
#define CASEBUS_AGENCIES_MAX 256

#define CASEBUS_DEPTH_MAX 16              /* nesting of maps and arrays, the body itself is 1 */
#define CASEBUS_KEYS_MAX 512              /* keys in one map */
#define CASEBUS_KEY_MAX 128               /* one key */
#define CASEBUS_ELEMENTS_MAX 16384        /* values in a report or a request, keys not counted */
#define CASEBUS_OFFENCES_MAX 512          /* offences of a case */
#define CASEBUS_RELATED_MAX 512           /* related cases of a case */
#define CASEBUS_PENCE_MAX 100000000000000 /* 10^14 pence */

#define CASEBUS_PUBLISHER_SIZE 16         /* a publisher's id */
#define CASEBUS_CHECK_SIZE 8              /* the running check */
#define CASEBUS_HASH_SIZE 16              /* BLAKE2b-128 */
#define CASEBUS_EPOCH_SIZE 8              /* the id of a history */
#define CASEBUS_PUBLISHER_WINDOW 8192     /* numbers beyond `after` a broker takes */
#define CASEBUS_PUBLISHERS_MAX 65536      /* publisher ids an actor has at a time */
#define CASEBUS_PUBLISHER_DAYS 400        /* an id that is idle for so long is forgotten */
#define CASEBUS_VOLATILE_DAYS 1           /* so is one polled with `outbox: false` */
#define CASEBUS_SESSIONS_MAX 4096         /* sessions of an actor that have not ended */
#define CASEBUS_TICK_MS 1000              /* from one tick to the next, while a session runs */
#define CASEBUS_LEASE_TICKS 10            /* ticks without sign of life: the session is lost */

#define CASEBUS_GET_MANY_MAX 200          /* ids in one case.get_many */
#define CASEBUS_KNOWN_MAX 1000            /* ids in one case.known */
#define CASEBUS_PAGE_MAX 500              /* rows in one reply */
#define CASEBUS_PAGE_DEFAULT 50
#define CASEBUS_REPLAY_MAX 2000           /* events in one log.replay reply */
#define CASEBUS_PATTERNS_MAX 64           /* patterns of one log.replay or one subscriber */
#define CASEBUS_SESSIONS_PER_POLL 64      /* sessions named in one publisher.confirm */
#define CASEBUS_POLL_MAX_MS 3000          /* a long poll is answered after this at the latest */
#define CASEBUS_WAITING_MAX (32 * 1024)   /* a request that waits for its answer */
#define CASEBUS_BATCH_MAX 1024            /* reports in one commit */
#define CASEBUS_BATCH_BYTES (8 * 1024 * 1024)
#define CASEBUS_HWM 10240                 /* messages queued a subscriber */
#define CASEBUS_INGEST_HWM 256            /* messages queued a publisher; more wait at its end */
#define CASEBUS_REQUESTS_QUEUED 100       /* requests queued an asker; more wait at its end */
#define CASEBUS_REPLIES_QUEUED 1000       /* replies an asker has not read; more are lost */
#define CASEBUS_UNREAD_MAX (16 * 1024 * 1024) /* bytes of them; above, large ones are `busy` */
#define CASEBUS_UNREAD_ACTOR_MAX (64 * 1024 * 1024) /* the same of all an actor's connections */
#define CASEBUS_HEADS_INTERVAL_MS 1000
#define CASEBUS_REJECTS_MAX 10000         /* rows kept in the rejects list */

#define CASEBUS_INGEST_PORT 7401
#define CASEBUS_FANOUT_PORT 7402
#define CASEBUS_QUERY_PORT 7403
#define CASEBUS_INGEST_DEFAULT "tcp://127.0.0.1:7401"
#define CASEBUS_FANOUT_DEFAULT "tcp://127.0.0.1:7402"
#define CASEBUS_QUERY_DEFAULT "tcp://127.0.0.1:7403"
/* clang-format on */

#endif
