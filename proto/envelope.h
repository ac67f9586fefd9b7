/* What heads, requests and replies share: required keys of a scanned map (private to proto).
 * Each names the key in the fault: CASEBUS_EMISSING, CASEBUS_ETYPE, CASEBUS_EVALUE. */
#ifndef CASEBUS_ENVELOPE_H
#define CASEBUS_ENVELOPE_H

#include <casebus/msgpack.h>

/* Scans, and refuses what is not a map. */
int casebus_envelope_scan(struct casebus_bytes body, struct casebus_scan_limits limits,
                          struct casebus_fault *fault);
/* `v`; CASEBUS_EVERSION where it is not ours (then *version is set, too). */
int casebus_envelope_version(struct casebus_bytes map, unsigned *version,
                             struct casebus_fault *fault);
int casebus_envelope_epoch(struct casebus_bytes map, unsigned char *epoch,
                           struct casebus_fault *fault);
int casebus_envelope_uint(struct casebus_bytes map, const char *key, uint64_t *number,
                          struct casebus_fault *fault);
int casebus_envelope_str(struct casebus_bytes map, const char *key, struct casebus_bytes *text,
                         struct casebus_fault *fault);
/* A bin of exactly `size` bytes. */
int casebus_envelope_bin(struct casebus_bytes map, const char *key, size_t size,
                         struct casebus_bytes *bin, struct casebus_fault *fault);
int casebus_envelope_map(struct casebus_bytes map, const char *key, struct casebus_bytes *inner,
                         struct casebus_fault *fault);

#endif
