#pragma once
/* The whole server in one process, on a loopback port, with a fake clock, a fake disk, a fake centre and a client: tests move
 * time, they never sleep (STYLE section 10). One person, "anna", is registered and has one room.
 * Threads: the test's, which is main. Failures of the rig itself abort; what is tested comes back as values. */
#include "centre.h"
#include "clock.h"
#include "disk.h"
#include "http.h"
#include "seed.h"

struct rig_sent {
    char            *content;
    int              fd;            /* -1: the answer has been read */
    struct rig_reply reply;
};

struct rig {
    struct rig_disk   *disk;
    struct rig_clock   clock;
    struct rig_random  chance;
    struct rig_centre *centre;      /* NULL: there is none */
    struct server     *server;      /* NULL: closed */
    const char        *settings;
    char               dir[64];     /* a real folder, for the lock and the key of the tokens */
    char              *token;
    int64_t            user_id, room_id;
    struct rig_sent   *sent;
    size_t             n_sent;
};

/* settings: as in the configuration file, "[limit]\nmessages = 0", or ""; static text. */
struct rig *rig_new(uint64_t seed, const char *settings, bool has_centre);
void        rig_free(struct rig **r);

/* ---- the server ---- */

void rig_reopen(struct rig *r);                 /* an orderly end, and a new start on the same disk */
void rig_crash_and_reopen(struct rig *r);       /* the power goes: what was not synced is lost or not; a new start */
void rig_close(struct rig *r);                  /* the first half of rig_reopen */
void rig_stall_disk(struct rig *r);
void rig_resume_disk(struct rig *r);
int64_t rig_count(struct rig *r, const char *table);        /* rows in the journal's database, as it is on the disk */

/* ---- a client ---- */

/* Anna's request, or another's with a token of his own. The caller ends the reply with rig_reply_fini. */
struct rig_reply rig_call(struct rig *r, const char *method, const char *path, const char *body);
struct rig_reply rig_call_as(struct rig *r, const struct rig_request *q);
int              rig_status(struct rig *r, const char *method, const char *path, const char *body);  /* its status alone */

char *rig_register(struct rig *r, const char *name);        /* the token; the caller frees it with tb_free */
int   rig_login(struct rig *r, const char *name, const char *password);     /* the status */
void  rig_log_in_again(struct rig *r);                      /* Anna, for a new token */

/* Anna writes to her room. rig_send does not wait; content says later which message is meant. */
void rig_send(struct rig *r, const char *content);
void rig_send_keyed(struct rig *r, const char *content, const char *key);
int  rig_answer(struct rig *r, const char *content);        /* waits for the answer: its status, 0 for none */
bool rig_acked(struct rig *r, const char *content);         /* 201; while the disk stands still: is it there already? */
int  rig_say(struct rig *r, const char *content);           /* rig_send and rig_answer */

bool rig_shows(struct rig *r, const char *content);         /* once in the newest hundred messages; aborts when twice */
