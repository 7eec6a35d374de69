#pragma once
/* A reader: one thread with a read-only connection that answers the queries of its lane, several in one read transaction.
 * Threads: open and close on the main thread. */
#include "store/requests.h"

struct reader;

enum tb_code reader_open(struct reader **out, const char *path, enum store_lane lane, const struct store_settings *settings,
                         struct tb_err *e) TB_MUST_CHECK;
void               reader_close(struct reader **r);     /* answers what is queued first */
struct tb_mailbox *reader_inbox(struct reader *r);
