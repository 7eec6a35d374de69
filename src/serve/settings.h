#pragma once
/* The configuration as each layer wants it: which setting goes where, and what one asks of another. What is borrowed lives in the
 * configuration, which has been checked. Threads: any. */
#include "chat/chat.h"
#include "chat/live.h"
#include "chat/password.h"
#include "config/config.h"
#include "net/net.h"
#include "store/store.h"
#include "tombolo/sio.h"

struct store_settings     serve_store_settings(const struct tb_config *c, const struct tb_clock *clock, const char *vfs);
struct net_settings       serve_net_settings(const struct tb_config *c, const struct tb_clock *clock,
                                             struct net_certificate *certificate);
struct net_address_limits serve_address_limits(const struct tb_config *c);
struct chat_limits        serve_chat_limits(const struct tb_config *c);
enum chat_cost            serve_password_cost(const struct tb_config *c);
struct live_limits        serve_live_limits(const struct tb_config *c);
struct sio_options        serve_sio_options(const struct tb_config *c);

/* Warns of each address of this machine, besides the loopback's, that server.trusted_proxies includes. */
void serve_warn_of_proxies(const struct tb_config *c);

/* A list of addresses and networks. */
void serve_read_networks(struct tb_networks *out, const char *list);
