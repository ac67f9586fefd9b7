/* What --help says of limits, file descriptors and memory. */
#ifndef BROKER_HELP_H
#define BROKER_HELP_H

#include <stdio.h>

void limits_help(FILE *out);

#endif
