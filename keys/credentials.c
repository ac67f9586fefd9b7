/* What a client connects with: its own pair and the broker's public key, on every socket of
 * its.
 *
 * Both or neither: with CURVE a client that did not know whom it talks to would encrypt to
 * whoever answers. */
#include <casebus/keys.h>

#include <stdio.h>
#include <string.h>
#include <zmq.h>

int casebus_credentials_read(struct casebus_credentials *self, const char *secret,
                             const char *server, char *why, size_t why_size)
{
    memset(self, 0, sizeof *self);
    if (!secret && !server) {
        return 0;
    }
    if (!secret || !server) {
        if (why) {
            snprintf(why, why_size,
                     "a secret key (secret) and the broker's public key (server) go together");
        }
        return CASEBUS_EINVAL;
    }
    int rc = casebus_keys_read(&self->own, secret, why, why_size);
    if (rc == 0) {
        rc = casebus_keys_read_public(self->server, server, why, why_size);
    }
    self->encrypted = rc == 0;
    if (rc != 0) {
        casebus_credentials_forget(self);
    }
    return rc;
}

int casebus_credentials_check(const char *secret, const char *server, char *why,
                              size_t why_size)
{
    struct casebus_credentials credentials;
    int rc = casebus_credentials_read(&credentials, secret, server, why, why_size);
    casebus_credentials_forget(&credentials);
    return rc;
}

void casebus_credentials_forget(struct casebus_credentials *self)
{
    casebus_keys_forget(&self->own);
}

int casebus_credentials_set(const struct casebus_credentials *self, void *socket)
{
    if (!self->encrypted) {
        return 0;
    }
    const size_t size = CASEBUS_KEY_SIZE + 1;
    bool set = zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, self->server, size) == 0 &&
               zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, self->own.public_key, size) == 0 &&
               zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, self->own.secret_key, size) == 0;
    return set ? 0 : CASEBUS_EIO;
}
