/* What the publisher's unit tests begin with. */
#ifndef CASEBUS_TESTS_PUBLISHER_TEST_H
#define CASEBUS_TESTS_PUBLISHER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
