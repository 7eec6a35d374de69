#pragma once
/* The only road between threads. A message is a struct that begins with a tb_msg; posting it gives it away until the
 * owner of the mailbox runs it. First in, first out.
 * Threads: post from any; take from the owner's (or owners': several hashers share one mailbox). */
#include "tombolo/str.h"

struct tb_msg {
    struct tb_msg *next;                /* the mailbox's */
    void         (*run)(struct tb_msg *); /* on the owner's thread; may free or post the message on */
};

/* A chain of messages in order, to be posted together. */
struct tb_msg_list {
    struct tb_msg *first, *last;
};

void           tb_msg_list_add(struct tb_msg_list *l, struct tb_msg *m);
struct tb_msg *tb_msg_list_take(struct tb_msg_list *l);         /* the first, or NULL */

struct tb_mailbox;

/* limit: how many messages tb_mailbox_post lets wait. wake, when not NULL, is called after a post into an empty mailbox
 * by the posting thread, with no lock held: the loop's writes to an eventfd. Without it, owners wait inside. */
struct tb_mailbox *tb_mailbox_new(size_t limit, void (*wake)(void *ctx), void *ctx);

/* Messages still inside are run before it goes, on the calling thread. */
void tb_mailbox_free(struct tb_mailbox **mb);

/* false: full or closed, and the message stays the caller's. For requests. */
bool tb_mailbox_post(struct tb_mailbox *mb, struct tb_msg *m) __attribute__((warn_unused_result));

/* Always taken: for answers, whose number the requests bound, and for orders of our own. The list is empty afterwards. */
void tb_mailbox_post_list(struct tb_mailbox *mb, struct tb_msg_list *l);
void tb_mailbox_post_always(struct tb_mailbox *mb, struct tb_msg *m);

/* From now on tb_mailbox_post refuses, and tb_mailbox_wait* return at once when there is nothing left. */
void tb_mailbox_close(struct tb_mailbox *mb);
bool tb_mailbox_is_closed(struct tb_mailbox *mb);

/* Moves up to max waiting messages to *out (empty on entry); returns how many. Does not wait. */
size_t tb_mailbox_take(struct tb_mailbox *mb, struct tb_msg_list *out, size_t max);

/* As tb_mailbox_take, but waits for a first message: 0 after timeout_ms (-1: for ever) or once closed and empty. */
size_t tb_mailbox_wait(struct tb_mailbox *mb, struct tb_msg_list *out, size_t max, int timeout_ms);

/* How many wait now; for metrics. */
size_t tb_mailbox_depth(struct tb_mailbox *mb);

/* Takes all and runs each; returns how many. */
size_t tb_mailbox_run(struct tb_mailbox *mb);
