#pragma once
/* What every C test includes: cmocka, with TAP as its output and its exit code as prove wants it. One group a program:
 * cmocka 1.1.5 numbers a second group from 1 again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define tap_run(tests) tap_run_with(tests, NULL, NULL)
#define tap_run_with(tests, group_setup, group_teardown) \
    (cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, group_setup, group_teardown) != 0)
