#pragma once
/* The process as the kernel sees it, for /metrics, under the names that Prometheus' own clients use.
 * Threads: any; /proc is memory, so nothing waits for a disk. */
#include "tombolo/str.h"

void process_write(struct tb_buf *out);
