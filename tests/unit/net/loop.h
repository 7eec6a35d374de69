#pragma once
/* A real server on a loopback port, its loop on a thread of its own, with a clock that tests move and a small blocking
 * client. Nothing here sleeps; a read that gets no answer fails the test after CLIENT_PATIENCE_S. */
#include "net/net.h"
#include "tap.h"

enum { CLIENT_PATIENCE_S = 10 };

struct loop;

/* host, limits and clock have defaults where settings leave them 0: 127.0.0.1, 1000 bytes, 10 s, 60 s, 100 connections. */
struct loop *loop_start(struct net_settings settings);
void         loop_stop(struct loop **l);                    /* net_stop, joins, closes */
uint16_t     loop_port(const struct loop *l);
struct net  *loop_net(struct loop *l);

void loop_run(struct loop *l, void (*job)(void *ctx), void *ctx);      /* on the loop; returns when it is done */
void loop_pass(struct loop *l, int64_t ms);                 /* moves the clock, at most a second at a time, turning the loop */

/* Handlers that every loop has:
 *   /echo/   answers {"method","path","query","body","peer","x"} (x: the header x-test)
 *   /hold/   keeps the request until loop_release; with on_gone when the query is "watch"
 *   /say/    200 "hi" with a header retry-after: 3; without CORS when the query is "plain"
 *   /big/    BIG_BYTES of x: more than fits between a server and a client that does not read
 *   /large/  as /echo/, with bodies of up to LARGE_BODY */
enum { BIG_BYTES = 16 << 20, LARGE_BODY = 100000 };
size_t loop_held(struct loop *l);                           /* how many wait now */
void   loop_wait_held(struct loop *l, size_t n);            /* until so many wait */
void   loop_release(struct loop *l);                        /* answers all with 200 "released" */
size_t loop_held_gone(struct loop *l);                      /* how many of them have lost their client */

/* ---- the client ---- */

int         client_connect(uint16_t port);                  /* to 127.0.0.1 */
void        client_send(int fd, const char *text);
const char *client_read(int fd);                            /* one answer, headers and body; static memory */
const char *client_read_head(int fd);                       /* headers only, for answers to HEAD, and 204 */
const char *client_read_all(int fd);                        /* until the server closes */
bool        client_was_reset(void);                         /* and it did so before it had read what was sent to it */
const char *client_ask(struct loop *l, const char *text);   /* connect, send, client_read_all, close */
size_t      client_count(int fd, size_t max);               /* bytes that come before the server closes, up to max */
bool        client_sees_close(int fd);                      /* the server closes, sending nothing more */
