/* Endpoints to bind: tcp://ADDRESS:PORT or ipc://PATH. Faults are static texts; NULL: none. */
#ifndef BROKER_ENDPOINT_H
#define BROKER_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with its text, which has room for `size` bytes. */
const char *endpoint_fault(const char *endpoint, size_t size);
/* May it be bound there? `keyed`: TCP endpoints are encrypted and take only keys. */
const char *endpoint_place_fault(const char *endpoint, bool keyed);
/* Could only one of the two be bound? Both are endpoints by their text. */
bool endpoint_same_place(const char *a, const char *b);

#endif
