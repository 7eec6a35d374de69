#pragma once
/* Connection state recovery without state (DESIGN section 4, Recovery): the pid that a client brings back says by itself which
 * socket it was and from where it may be replayed. Text: "<start>.<sid>.<mac>"; mac = BLAKE2b-128, keyed, over user,
 * journal, sid and start, in hex.
 * Threads: plain functions. */
#include "tombolo/str.h"

enum { RECOVERY_KEY_SIZE = 32, RECOVERY_SID_SIZE = 21, RECOVERY_PID_SIZE = 96 };    /* texts with their NUL */

struct recovery_key {
    unsigned char bytes[RECOVERY_KEY_SIZE];
};

/* A key of its own, derived from the secret that signs tokens. */
struct recovery_key recovery_key_from(tb_str secret);

/* A new socket id: 20 characters of a CSPRNG. */
void recovery_sid_make(char out[RECOVERY_SID_SIZE]);

void recovery_pid_make(const struct recovery_key *key, int64_t user_id, tb_str journal_uuid, tb_str sid, int64_t start,
                       char out[RECOVERY_PID_SIZE]);

/* false: not made by this key for this user and journal. */
bool recovery_pid_read(const struct recovery_key *key, int64_t user_id, tb_str journal_uuid, tb_str pid,
                       char sid[RECOVERY_SID_SIZE], int64_t *start);
