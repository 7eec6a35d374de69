#pragma once
/* GET /metrics: what the layers count, as Prometheus text (version 0.0.4), and who may read it. Names begin with "tombolo_"; a counter
 * ends in "_total", a time in "_seconds", a size in "_bytes".
 * Threads: the loop. */
#include "rest/rest.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* All of them. */
void metrics_write(struct tb_buf *out, const struct rest_settings *of);

/* Whether one at this address may read them: this machine, and those in allowed. is_forwarded: the request
 * came through a proxy that is not trusted, so the address says nothing about who asks. */
bool metrics_may_read(tb_str peer, bool is_forwarded, const struct tb_networks *allowed);
