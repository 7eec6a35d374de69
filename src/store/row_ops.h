#pragma once
/* The rows of the tables as the ops that make them, for a side that lacks the ops which did. A row becomes several: what the last
 * writer wins has a stamp and a node of its own for each value, and the first op's are older. Such ops can be applied any number
 * of times, here and at the centre, beside those that made the row: each value keeps its newest writer, and what is a union
 * stays one. Nothing of them is known but their effect: their seq is 0.
 * Threads: plain values. */
#include "store/op.h"

/* A row's ops have their places whether or not it needs them all: it may change between two pages that it is parted by. */
enum { ROW_OPS_MAX = 6 };

struct row_ops {
    struct op ops[ROW_OPS_MAX]; /* kind OP_PARKED: the row does not need one at that place */
    struct op_seen seen;        /* what they point to */
    struct op_receipts receipt;
    int64_t message_id;
};

/* Text is borrowed, by the ops too. */
struct row_user {
    int64_t id, hlc, created_at, last_seen; /* hlc 0: he has only been heard of; last_seen 0: never */
    uint32_t node;                          /* of his first op */
    tb_str email, username, password;
    int64_t email_stamp, username_stamp, password_stamp;
    uint32_t email_node, username_node, password_node;
    bool is_parked; /* the e-mail is another's */
};
struct row_room {
    int64_t id, hlc, created_by, created_at;
    uint32_t node;
    tb_str name;
    bool is_private;
};
struct row_member {
    int64_t room_id, user_id, id, by_id, stamp, joined_at; /* by_id 0: nobody knows who let him in, or threw him out */
    uint32_t node;
    bool is_member;
};
struct row_message {
    int64_t id, hlc, room_id, sender_id, created_at;
    uint32_t node;
    tb_str content;
};
struct row_receipt {
    int64_t message_id, user_id, delivered_at, read_at; /* 0: not yet */
};

void row_ops_user(const struct row_user *row, struct row_ops *out);
void row_ops_room(const struct row_room *row, struct row_ops *out);
void row_ops_member(const struct row_member *row, struct row_ops *out);
void row_ops_message(const struct row_message *row, struct row_ops *out);
void row_ops_receipt(const struct row_receipt *row, struct row_ops *out);
