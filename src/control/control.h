#pragma once
/* How the command line speaks to a server that runs on the same machine: a Unix stream socket named `control` in the data
 * folder, for the server's own user alone (mode 0600). One line goes in, a command's name and, after a blank, what it takes;
 * one line of JSON comes out, and that is the end of the connection:
 *     {"ok":true,"data":...}          {"ok":false,"code":"not_found","why":"..."}
 * Threads: open and close on main; commands run on the control thread, one at a time, and may wait for others' answers for
 * as long as a person would. */
#include "base/json.h"
#include "tombolo/err.h"

#define CONTROL_NAME "control"

enum {
    CONTROL_MAX_LINE = 4096,        /* bytes of a request, its line end included */
    CONTROL_MAX_CLIENTS = 16,       /* connections at once; one more, and the oldest that has not asked yet goes */
    CONTROL_LINE_MS = 5000,         /* how long a connection may take to ask */
    CONTROL_ANSWER_MS = 5000,       /* and to take the answer */
};

struct control_command {
    const char *name;
    /* Writes one JSON value. Failing, what it has written is forgotten, and the asker is told e's code and why. */
    enum tb_code (*run)(void *ctx, tb_str args, struct tb_json *data, struct tb_err *e);
};

/* Runs a line as a connection's would be, for one who has the data folder himself. *out gets the line of JSON, its end included. */
void control_run(const struct control_command *commands, void *ctx, tb_str line, struct tb_buf *out);

struct control;

struct control_settings {
    const char                   *dir;          /* the data folder, whose lock is ours */
    const struct control_command *commands;     /* up to one without a name; stays until control_close has returned */
    void                         *ctx;          /* of all of them */
};

/* A socket that a crash has left behind is replaced. TB_EIO: it cannot be made there. */
enum tb_code control_open(struct control **out, const struct control_settings *settings, struct tb_err *e) TB_MUST_CHECK;

/* Ends the command under way, then removes the socket. Accepts NULL inside. */
void control_close(struct control **c);
