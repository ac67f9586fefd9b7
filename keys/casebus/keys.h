/* Keys: who a program is (its key pair) and whom it talks to (the broker's public key).
 *
 * A pair is made once, by "casebus-ctl keygen NAME --out DIR", into two files of the zcert
 * format: NAME.secret, which stays where the program runs, mode 0600; and NAME.pub, for
 * everybody. A file that others could have read (a secret) or changed (either) is not taken:
 * what would it prove?
 *
 * Functions that fail give CASEBUS_EKEY, where not said otherwise, and say in `why` which file
 * it is, what is wrong with it and what to do. `why` may be NULL. Nothing here keeps state. */
#ifndef CASEBUS_KEYS_H
#define CASEBUS_KEYS_H

#include <casebus/errors.h>
#include <stdbool.h>
#include <stddef.h>

#define CASEBUS_KEY_SIZE 40     /* of a key in Z85, its text form */
#define CASEBUS_KEY_NAME_MAX 63 /* of the name a key is known by */
#define CASEBUS_WHY_SIZE 4500   /* room for a sentence with a path in it */

struct casebus_keys {
    char public_key[CASEBUS_KEY_SIZE + 1];
    char secret_key[CASEBUS_KEY_SIZE + 1];
};

/* Lower-case letters, digits, '.', '_' and '-', a letter or digit first. */
bool casebus_key_name_valid(const char *name);
/* Forty characters of Z85. */
bool casebus_key_valid(const char *key);

/* A fresh pair. CASEBUS_EIO: libzmq has no CURVE. */
int casebus_keys_generate(struct casebus_keys *keys);
/* Writes DIR/NAME.secret and DIR/NAME.pub, on the disk when it returns; the folder, mode 0700,
 * is made where it is missing. Neither file may be there. CASEBUS_EINVAL (the name),
 * CASEBUS_EIO. */
int casebus_keys_write(const struct casebus_keys *keys, const char *name, const char *dir,
                       char *why, size_t why_size);
/* The pair of a NAME.secret. */
int casebus_keys_read(struct casebus_keys *keys, const char *path, char *why, size_t why_size);
/* The key of a NAME.pub (or of a NAME.secret). */
int casebus_keys_read_public(char key[CASEBUS_KEY_SIZE + 1], const char *path, char *why,
                             size_t why_size);
/* Overwrites the secret. */
void casebus_keys_forget(struct casebus_keys *keys);

/* What a client connects with. */
struct casebus_credentials {
    bool encrypted; /* false: plain, for loopback and ipc */
    struct casebus_keys own;
    char server[CASEBUS_KEY_SIZE + 1];
};
/* From two files; both NULL: plain. CASEBUS_EINVAL: one without the other. */
int casebus_credentials_read(struct casebus_credentials *self, const char *secret,
                             const char *server, char *why, size_t why_size);
/* The same without keeping them: for a program that wants to say why. */
int casebus_credentials_check(const char *secret, const char *server, char *why,
                              size_t why_size);
void casebus_credentials_forget(struct casebus_credentials *self);
/* Sets them on a libzmq socket that has not connected yet. 0 or CASEBUS_EIO. */
int casebus_credentials_set(const struct casebus_credentials *self, void *socket);

#endif
